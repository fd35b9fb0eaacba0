#include "server/config/container_codec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "base/cpu_list.h"
#include "base/sysctl_owner.h"

namespace crisp::config {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();  // RLIM_INFINITY
// setrlimit(2), without RLIMIT_.
constexpr std::array<std::string_view, 16> kUlimits = {
    "as",   "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue",
    "nice", "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};

std::optional<uint64_t> ParseLimit(std::string_view text) {
  if (text == "unlimited" || text == "-1") return kUnlimited;
  uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::string PrintLimit(uint64_t limit) { return limit == kUnlimited ? "unlimited" : Cat(limit); }

Result<Ulimit> ParseUlimit(const std::string& text) {
  const size_t equals = text.find('=');
  Ulimit out;
  out.name = text.substr(0, equals);
  if (equals == std::string::npos ||
      std::find(kUlimits.begin(), kUlimits.end(), out.name) == kUlimits.end()) {
    std::string names;
    for (std::string_view name : kUlimits) names += Cat(names.empty() ? "" : ", ", name);
    return InvalidArgument("'", text, "': allowed: name=soft:hard with a name of ", names);
  }
  const std::string_view values = std::string_view(text).substr(equals + 1);
  const size_t colon = values.find(':');
  const auto soft = ParseLimit(values.substr(0, colon));
  const auto hard = colon == std::string_view::npos ? soft : ParseLimit(values.substr(colon + 1));
  if (!soft || !hard || *soft > *hard) {
    return InvalidArgument("'", text, "': allowed: ", out.name,
                           "=soft:hard, numbers or 'unlimited', soft not above hard");
  }
  out.soft = *soft;
  out.hard = *hard;
  return out;
}

}  // namespace

Codec<std::vector<Ulimit>> UlimitListCodec() {
  const Codec<std::vector<std::string>> list = ListCodec(TextCodec("name=soft:hard"));
  return {list.type,
          [list](const Value& value) -> Result<std::vector<Ulimit>> {
            std::vector<Ulimit> out;
            for (const std::string& text : CRISP_TRY(list.parse(value))) {
              out.push_back(CRISP_TRY(ParseUlimit(text)));
              for (size_t i = 0; i + 1 < out.size(); ++i) {
                if (out[i].name == out.back().name) {
                  return InvalidArgument("'", text, "': ", out.back().name, " is given twice");
                }
              }
            }
            return out;
          },
          [list](const std::vector<Ulimit>& all) {
            std::vector<std::string> texts;
            for (const Ulimit& limit : all) {
              texts.push_back(
                  Cat(limit.name, '=', PrintLimit(limit.soft), ':', PrintLimit(limit.hard)));
            }
            return list.print(texts);
          }};
}

Codec<std::map<std::string, std::string>> SysctlMapCodec() {
  Codec<std::map<std::string, std::string>> out = TextMapCodec();
  out.type = "map of sysctls";
  out.parse = [parse =
                   out.parse](const Value& value) -> Result<std::map<std::string, std::string>> {
    auto sysctls = CRISP_TRY(parse(value));
    for (const auto& [name, unused] : sysctls) {
      if (OwnerOfSysctl(name) != SysctlOwner::kHost) continue;
      return InvalidArgument("'", name,
                             "': allowed: net.*, kernel.shm*, kernel.msg*, kernel.sem, "
                             "fs.mqueue.*; others are the node's");
    }
    return sysctls;
  };
  return out;
}

Codec<std::string> CpuListCodec() {
  Codec<std::string> out = TextCodec("list of CPUs");
  out.parse = [](const Value& value) -> Result<std::string> {
    std::string text = CRISP_TRY(ScalarText(value));
    if (text.empty() || IsCpuList(text)) return text;
    return InvalidArgument("'", text, "': allowed: a list such as 0-3,5, or \"\" (not set)");
  };
  return out;
}

Codec<std::string> OwnCgroupParentCodec() {
  Codec<std::string> out = CgroupPathCodec();
  out.parse = [below = out.parse](const Value& value) -> Result<std::string> {
    const std::string text = CRISP_TRY(ScalarText(value));
    if (text == "/") return text;
    const std::string path = CRISP_TRY(below(value));
    if (!path.ends_with('/')) return path;
    return InvalidArgument("'", text, "': allowed: / or a cgroup path that does not end in '/'");
  };
  return out;
}

}  // namespace crisp::config
