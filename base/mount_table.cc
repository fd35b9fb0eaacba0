#include "base/mount_table.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/core/file.h"
#include "base/core/mount.h"

namespace crisp {
namespace {

// The byte of "\040" at the front; nullopt: `text` begins with no such escape.
std::optional<char> EscapedByte(std::string_view text) {
  if (text.size() < 4 || text[0] != '\\') return std::nullopt;
  unsigned value = 0;
  for (const char digit : text.substr(1, 3)) {
    if (digit < '0' || digit > '7') return std::nullopt;
    value = value * 8 + static_cast<unsigned>(digit - '0');
  }
  if (value > 0xFF) return std::nullopt;
  return static_cast<char>(value);
}

// Blanks, newlines and backslashes are escaped.
std::string Unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::optional<char> escaped = EscapedByte(text);
    out.push_back(escaped.value_or(text.front()));
    text.remove_prefix(escaped ? 4 : 1);
  }
  return out;
}

std::vector<std::string_view> SplitBlanks(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    const size_t end = line.find(' ');
    out.push_back(line.substr(0, end));
    line = end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
  }
  return out;
}

// "id parent device root point options [optional...] - type source superoptions"
std::optional<MountEntry> ParseLine(std::string_view line) {
  const std::vector<std::string_view> fields = SplitBlanks(line);
  if (fields.size() < 10) return std::nullopt;
  const auto optional = fields.begin() + 6;
  const auto dash = std::find(optional, fields.end(), "-");
  if (fields.end() - dash < 4) return std::nullopt;
  MountEntry entry;
  entry.point = Unescape(fields[4]);
  for (auto field = optional; field != dash; ++field) {
    if (field->starts_with("shared:")) entry.shared = true;
    if (field->starts_with("master:")) entry.slave = true;
  }
  entry.type = dash[1];
  entry.super_options = dash[3];
  return entry;
}

}  // namespace

bool IsAtOrBelow(std::string_view path, std::string_view parent) {
  if (parent == "/") return true;
  return path.starts_with(parent) && (path.size() == parent.size() || path[parent.size()] == '/');
}

Result<std::vector<MountEntry>> ReadMountTable(const std::string& path) {
  return ParseMountTable(CRISP_TRY(ReadFile(path)));
}

std::vector<MountEntry> ParseMountTable(std::string_view rest) {
  std::vector<MountEntry> out;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    std::optional<MountEntry> entry = ParseLine(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (entry) out.push_back(*std::move(entry));
  }
  return out;
}

Result<std::vector<std::string>> MountPointsBelow(const std::string& directory,
                                                  const std::string& path) {
  std::set<std::string> points;
  for (const MountEntry& entry : CRISP_TRY(ReadMountTable(path))) {
    if (entry.point == directory || !IsAtOrBelow(entry.point, directory)) continue;
    const auto mounted = IsMountPoint(entry.point);
    if (mounted.ok() && *mounted) points.insert(entry.point);
  }
  return std::vector<std::string>(points.begin(), points.end());
}

}  // namespace crisp
