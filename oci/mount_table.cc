#include "oci/mount_table.h"

#include <set>

#include "base/core/file.h"
#include "base/core/mount.h"

namespace crisp::oci {
namespace {

// Blanks are escaped as \040 and so on.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                      (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
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
    const std::vector<std::string_view> fields = SplitBlanks(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (fields.size() < 7) continue;
    MountEntry& entry = out.emplace_back();
    entry.point = Unescape(fields[4]);
    for (size_t i = 6; i < fields.size() && fields[i] != "-"; ++i) {
      if (fields[i].starts_with("shared:")) entry.shared = true;
      if (fields[i].starts_with("master:")) entry.slave = true;
    }
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

}  // namespace crisp::oci
