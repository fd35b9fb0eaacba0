#include "oci/rlimits.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/core/file.h"
#include "base/log.h"

namespace crisp::oci {
namespace {

struct Known {
  std::string_view name;
  __rlimit_resource resource;
};
constexpr Known kKnown[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK}};

const Known* Find(const std::string& name) {
  const auto* at = std::find_if(std::begin(kKnown), std::end(kKnown),
                                [&name](const Known& known) { return known.name == name; });
  return at == std::end(kKnown) ? nullptr : at;
}

// fs.nr_open: no capability lifts this one (setrlimit(2)).
uint64_t MostDescriptors() {
  const auto text = ReadFile("/proc/sys/fs/nr_open");
  uint64_t out = UINT64_MAX;
  if (text.ok()) std::from_chars(text->data(), text->data() + text->size(), out);
  return out;
}

}  // namespace

bool IsRlimitName(const std::string& name) { return Find(name) != nullptr; }

std::vector<Rlimit> ClampRlimits(std::vector<Rlimit> wanted, bool may_raise) {
  for (Rlimit& limit : wanted) {
    const Known* known = Find(limit.name);
    rlimit own{};
    if (known == nullptr || ::getrlimit(known->resource, &own) != 0) continue;
    uint64_t most = may_raise ? UINT64_MAX : own.rlim_max;
    if (known->resource == RLIMIT_NOFILE) most = std::min(most, MostDescriptors());
    if (limit.hard <= most) continue;
    log::Warning("a default ulimit is lowered: crispd may not raise it",
                 {{"ulimit", limit.name}, {"wanted", limit.hard}, {"given", most}});
    limit.hard = most;
    limit.soft = std::min(limit.soft, most);
  }
  return wanted;
}

}  // namespace crisp::oci
