// Capabilities: the five sets of a container from what the CRI asks and what this machine can give.
//
// Contract: cri-contract 9.4 and 9.5; capabilities(7). Names with or without CAP_, in any case.
//           Order: ALL in add, ALL in drop, individual adds, individual drops. Ambient capabilities
//           are added to every set (the proto's meaning); otherwise inheritable stays empty
//           (CVE-2022-24769).
//           Nothing outside this process's bounding set can be given: "ALL", the defaults and
//           privileged mean all that there are; one asked for by name is left out with a warning.
// Threads:  free functions without state.
// Errors:   kInvalidArgument names the field and the unknown capability.
#ifndef CRISP_OCI_CAPABILITIES_H_
#define CRISP_OCI_CAPABILITIES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "oci/host_facts.h"
#include "oci/spec.h"

namespace crisp::oci {

inline constexpr int kKnownCapabilities = 41;  // CAP_CHOWN (0) to CAP_CHECKPOINT_RESTORE (40)

struct CapabilityRequest {
  bool privileged = false;
  std::vector<std::string> defaults;  // empty: the default 14
  std::vector<std::string> add;
  std::vector<std::string> drop;
  std::vector<std::string> add_ambient;
};

Result<Capabilities> ResolveCapabilities(const CapabilityRequest& request, const HostFacts& host);

// The number of "NET_ADMIN", "cap_net_admin"...
std::optional<int> FindCapability(std::string_view name);

}  // namespace crisp::oci

#endif  // CRISP_OCI_CAPABILITIES_H_
