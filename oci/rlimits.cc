#include "oci/rlimits.h"

#include <sys/resource.h>

#include <algorithm>
#include <string_view>

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

}  // namespace

bool IsRlimitName(const std::string& name) { return Find(name) != nullptr; }

std::vector<Rlimit> ClampRlimits(std::vector<Rlimit> wanted, bool may_raise) {
  if (may_raise) return wanted;
  for (Rlimit& limit : wanted) {
    const Known* known = Find(limit.name);
    rlimit own{};
    if (known == nullptr || ::getrlimit(known->resource, &own) != 0 || limit.hard <= own.rlim_max) {
      continue;
    }
    log::Warning("a default ulimit is lowered: crispd may not raise it",
                 {{"ulimit", limit.name}, {"wanted", limit.hard}, {"given", own.rlim_max}});
    limit.hard = own.rlim_max;
    limit.soft = std::min<uint64_t>(limit.soft, own.rlim_max);
  }
  return wanted;
}

}  // namespace crisp::oci
