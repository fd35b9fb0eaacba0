// What the kernel says of processes that chose their own names, in groups and at mount points that
// others named; base64 of clients.
#include "base/base64.h"
#include "base/core/process_stat.h"
#include "base/mount_table.h"
#include "base/process_cgroups.h"
#include "fuzz.h"

namespace crisp {
namespace {

bool Same(const ProcessStat& a, const ProcessStat& b) {
  return a.state == b.state && a.parent == b.parent && a.session == b.session &&
         a.flags == b.flags && a.start_time == b.start_time;
}

// As the kernel writes mount points.
std::string Escaped(std::string_view point) {
  std::string out;
  for (const char c : point) {
    switch (c) {
      case ' ':
        out += "\\040";
        break;
      case '\n':
        out += "\\012";
        break;
      case '\\':
        out += "\\134";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

CRISP_FUZZ(base64) {
  for (Base64Alphabet alphabet : {Base64Alphabet::kStandard, Base64Alphabet::kUrl}) {
    for (char c : EncodeBase64(input, alphabet)) {
      CRISP_REQUIRE((c >= '0' && c <= '9') || (c >= 'A' && c <= 'z') || c == '+' || c == '/' ||
                    c == '=' || c == '-');
    }
  }
  std::string back;
  Base64Decoder decoder;
  const std::string text = EncodeBase64(input);
  const size_t middle = text.size() / 3;
  CRISP_REQUIRE(decoder.Feed(std::string_view(text).substr(0, middle), &back).ok());
  CRISP_REQUIRE(decoder.Feed(std::string_view(text).substr(middle), &back).ok());
  CRISP_REQUIRE(decoder.End().ok());
  CRISP_REQUIRE(back == input);
  CRISP_REQUIRE(DecodeBase64(text) == back);

  std::string decoded;
  Base64Decoder foreign;
  if (!foreign.Feed(input, &decoded).ok() || !foreign.End().ok()) return;
  CRISP_REQUIRE(decoded.size() <= input.size() / 4 * 3 + 2);
}

// The kernel's table, in which mount points and options are others' words.
CRISP_FUZZ(mount_table) {
  std::string text;
  const std::vector<MountEntry> table = ParseMountTable(input);
  for (const MountEntry& entry : table) {
    CRISP_REQUIRE(entry.point.size() <= input.size());
    CRISP_REQUIRE(IsAtOrBelow(entry.point, entry.point));
    CRISP_REQUIRE(input.find(entry.super_options) != std::string_view::npos);
    if (entry.shared) CRISP_REQUIRE(input.find(" shared:") != std::string_view::npos);
    text += Cat("1 2 0:3 / ", Escaped(entry.point), " rw", entry.shared ? " shared:1" : "",
                entry.slave ? " master:2" : "", " - ", entry.type, " source ", entry.super_options,
                " more\n");
  }
  const std::vector<MountEntry> again = ParseMountTable(text);
  CRISP_REQUIRE(again.size() == table.size());
  for (size_t i = 0; i < table.size(); ++i) {
    CRISP_REQUIRE(again[i].point == table[i].point && again[i].type == table[i].type);
    CRISP_REQUIRE(again[i].shared == table[i].shared && again[i].slave == table[i].slave);
    CRISP_REQUIRE(again[i].super_options == table[i].super_options);
  }
}

CRISP_FUZZ(process_stat) {
  const Result<ProcessStat> stat = ParseProcessStat(input);
  if (!stat.ok()) {
    CRISP_REQUIRE(stat.status().code() == Code::kDataLoss && !stat.status().message().empty());
    return;
  }
  // Another name, with a line in it, changes nothing.
  const size_t name_end = input.rfind(')');
  const Result<ProcessStat> renamed = ParseProcessStat(
      Cat("1 (x) Z 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 0 0 0 0 1 (", input.substr(name_end)));
  CRISP_REQUIRE(renamed.ok() && Same(*renamed, *stat));
  // Cut behind the name, the line says the same or nothing.
  const size_t rest = input.size() - name_end;
  for (size_t kept : {rest / 3, rest / 2, rest - 1}) {
    const Result<ProcessStat> cut = ParseProcessStat(input.substr(0, name_end + kept));
    if (kept > 0 && cut.ok()) CRISP_REQUIRE(Same(*cut, *stat));
  }
}

CRISP_FUZZ(process_cgroups) {
  std::string text;
  const std::vector<ProcessCgroup> groups = ParseProcessCgroups(input);
  for (const ProcessCgroup& group : groups) {
    CRISP_REQUIRE(group.path.starts_with('/') && group.path.find('\n') == std::string::npos);
    CRISP_REQUIRE(group.controllers.find_first_of(":\n") == std::string::npos);
    CRISP_REQUIRE(group.Has(group.controllers.substr(0, group.controllers.find(','))));
    text += Cat("1:", group.controllers, ':', group.path, '\n');
  }
  CRISP_REQUIRE(text.size() <= input.size() + 2 * groups.size() + 1);
  const std::vector<ProcessCgroup> again = ParseProcessCgroups(text);
  CRISP_REQUIRE(again.size() == groups.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    CRISP_REQUIRE(again[i].controllers == groups[i].controllers);
    CRISP_REQUIRE(again[i].path == groups[i].path);
  }
}

}  // namespace crisp
