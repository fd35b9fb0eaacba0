// Seccomp: from what the CRI asks to the complete "seccomp" object of the OCI spec.
//
// What:     crisp's own default profile (seccomp_default.cc), the reading of profile files in the
//           Docker/OCI format, and the writing of both as OCI JSON.
// Contract: cri-contract 9.7; runtime-spec config-linux.md "Seccomp". Profile files: defaultAction,
//           defaultErrnoRet, architectures or archMap, syscalls[{names, action, args, includes,
//           excludes, errnoRet}], flags, listenerPath.
//           Rules with includes/excludes (caps, arches, minKernel) are decided here; unknown system
//           calls are skipped with a warning, because profiles name calls of newer kernels.
// Threads:  values and free functions.
// Errors:   kInvalidArgument names the unknown action, architecture, operator or flag and lists
// what
//           is allowed; kNotFound for a missing profile file; kFailedPrecondition when the kernel
//           has no seccomp.
#ifndef CRISP_OCI_SECCOMP_H_
#define CRISP_OCI_SECCOMP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "oci/host_facts.h"
#include "oci/spec_builder.h"

namespace crisp::oci {

struct SeccompArgument {
  unsigned index = 0;  // 0..5
  uint64_t value = 0;
  uint64_t value_two = 0;  // SCMP_CMP_MASKED_EQ: (argument & value) == value_two
  std::string op;
};

struct SeccompRule {
  std::vector<std::string> names;
  std::string action;
  std::optional<unsigned> errno_ret;
  std::vector<SeccompArgument> args;
};

struct SeccompProfile {
  std::string default_action;
  std::optional<unsigned> default_errno_ret;
  std::vector<std::string> architectures;  // SCMP_ARCH_*; empty: the native one
  std::vector<std::string> flags;
  std::string listener_path;
  std::string listener_metadata;
  std::vector<SeccompRule> rules;
};

// What a profile's conditions are decided on.
struct SeccompContext {
  std::vector<std::string> capabilities;  // the container's bounding set, with CAP_
  int kernel_major = 0;
  int kernel_minor = 0;
};

SeccompProfile DefaultSeccompProfile(const SeccompContext& context);

// A profile file's text. The result is validated and filtered.
Result<SeccompProfile> ParseSeccompProfile(const std::string& text, const SeccompContext& context);

Result<std::string> SeccompToJson(const SeccompProfile& profile);

// The "seccomp" object for a container; empty: unconfined. RuntimeDefault is the handler's profile
// or crisp's own; privileged containers have the handler's privileged one or none.
Result<std::string> ResolveSeccomp(const ContainerRequest& request, const SeccompContext& context,
                                   const HostFacts& host);

// Checks actions, architectures, operators and flags, and drops unknown system calls.
Status ValidateSeccomp(SeccompProfile* profile);

}  // namespace crisp::oci

#endif  // CRISP_OCI_SECCOMP_H_
