// What the kernel says of processes that chose their own names, in groups and at mount points that
// others named; pid files of runtimes; base64 of clients; text of whatever encoding.
#include "base/base64.h"
#include "base/cgroup_text.h"
#include "base/core/file.h"
#include "base/core/keyed_line.h"
#include "base/core/pid_text.h"
#include "base/core/process_stat.h"
#include "base/mount_table.h"
#include "base/process_cgroups.h"
#include "base/utf8.h"
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

// RFC 3629 section 3 the other way round: text that a decoder which believes in the first bytes and
// an encoder give back as it was is UTF-8, as far as its characters exist.
bool IsWhatAnEncoderWrites(std::string_view text) {
  std::string again;
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (at + length > text.size()) return false;
    uint32_t character = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; ++i) {
      character = character << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
    }
    if (character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF)) return false;
    const size_t shortest = character < 0x80      ? 1
                            : character < 0x800   ? 2
                            : character < 0x10000 ? 3
                                                  : 4;
    constexpr unsigned char kLeads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    again.push_back(static_cast<char>(kLeads[shortest] | character >> 6 * (shortest - 1)));
    for (size_t i = shortest - 1; i-- > 0;) {
      again.push_back(static_cast<char>(0x80u | (character >> 6 * i & 0x3Fu)));
    }
    at += length;
  }
  return again == text;
}

}  // namespace

CRISP_FUZZ(utf8) {
  CRISP_REQUIRE(IsUtf8(input) == IsWhatAnEncoderWrites(input));
  const std::string clean = SanitizeUtf8(input);
  CRISP_REQUIRE(IsWhatAnEncoderWrites(clean) && clean.size() <= 3 * input.size());
  CRISP_REQUIRE(IsUtf8(input) == (clean == input));
  CRISP_REQUIRE(SanitizeUtf8(clean) == clean);
  for (const size_t limit : {size_t{0}, size_t{2}, size_t{3}, size_t{4}, size_t{5}, size_t{17},
                             clean.size() / 2, clean.size()}) {
    const std::string cut = TruncateUtf8(clean, limit);
    CRISP_REQUIRE(cut.size() <= limit && IsUtf8(cut));
    if (clean.size() <= limit) {
      CRISP_REQUIRE(cut == clean);
    } else if (limit >= 3) {
      CRISP_REQUIRE(cut.ends_with("...") && cut.size() + 3 >= limit);
      CRISP_REQUIRE(clean.starts_with(std::string_view(cut).substr(0, cut.size() - 3)));
    }
  }
}

// The pid file of a runtime, and the kernel's lists of processes.
CRISP_FUZZ(pid_text) {
  const std::vector<pid_t> pids = ParsePids(input);
  CRISP_REQUIRE(pids.size() <= input.size() / 2 + 1);
  std::string text;
  for (const pid_t pid : pids) {
    CRISP_REQUIRE(pid > 0);
    text += Cat(pid, '\n');
  }
  CRISP_REQUIRE(ParsePids(text) == pids);
  if (const std::optional<pid_t> pid = ParsePidFile(input)) {
    CRISP_REQUIRE(*pid > 1 && ParsePidFile(Cat(*pid)) == pid);
    CRISP_REQUIRE(ParsePids(Trim(input)) == std::vector<pid_t>{*pid});
    CRISP_REQUIRE(!ParsePidFile(Cat(input, " ", *pid)) && !ParsePidFile(Cat("-", input)));
  }
}

// The key is what the input has before the first tab, or "NSpid:".
CRISP_FUZZ(process_status) {
  const std::string_view own = input.substr(0, input.find_first_of("\t\n"));
  for (const std::string_view key : {std::string_view("NSpid:"), own}) {
    if (key.empty()) continue;
    const auto value = KeyedLine(input, key);
    const bool there = Cat('\n', input).find(Cat('\n', key)) != std::string::npos;
    CRISP_REQUIRE(value.has_value() == there);
    if (!value) continue;
    CRISP_REQUIRE(value->find('\n') == std::string_view::npos);
    CRISP_REQUIRE(Cat('\n', input, '\n').find(Cat('\n', key, *value, '\n')) != std::string::npos);
    // The first one counts, and none behind another key.
    CRISP_REQUIRE(KeyedLine(Cat(key, *value, "\n", input), key) == value);
    CRISP_REQUIRE(KeyedLine(Cat("\tName:", key, "\n", input), key) == value);
    CRISP_REQUIRE(KeyedLine(Cat("\n", input, "\n", key, "last"), key) == value);
  }
  const std::vector<pid_t> pids = ParsePids(KeyedLine(input, "NSpid:").value_or(""));
  if (!IsFirstOfItsNamespace(input)) return;
  CRISP_REQUIRE(pids.back() == 1 && !IsFirstOfItsNamespace(Cat("NSpid:\t7\n", input)));
}

CRISP_FUZZ(cgroup_text) {
  const std::unordered_map<std::string, uint64_t> values = ParseFlatKeyed(input);
  std::string text;
  for (const auto& [key, value] : values) {
    CRISP_REQUIRE(key.find_first_of(" \n") == std::string::npos);
    CRISP_REQUIRE(ParseCgroupNumber(Cat(value, '\n')) == value);
    text += Cat(key, ' ', value, '\n');
  }
  CRISP_REQUIRE(ParseFlatKeyed(text) == values);
  if (const std::optional<uint64_t> number = ParseCgroupNumber(input)) {
    CRISP_REQUIRE(ParseFlatKeyed(Cat("key ", Trim(input))).at("key") == *number);
  }
}

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
