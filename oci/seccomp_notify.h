// Seccomp notifications: a profile whose refusals are reported before they are made.
//
// What:     in a notifying profile the system calls that it would refuse stop at a listener, which
//           sees them and answers with the same errno; the container notices nothing but the delay.
//           - Not reported, and refused as before: calls that the profile allows for some of their
//             arguments only (one call cannot have both kinds of rules), rules that answer ENOSYS
//             (clone3: the C library asks and goes another way, each time it makes a thread), calls
//             that only other architectures than the native one have, and those that the runtimes
//             need between loading the filter and handing over its descriptor.
//           - Killing rules kill.
// Contract: seccomp_unotify(2); runtime-spec config-linux.md "Seccomp": listenerPath,
//           listenerMetadata, "The Container Process State". runc (from 1.1) refuses NOTIFY as the
//           default action and for write(2); so the calls are listed by name.
// Threads:  free functions.
// Errors:   kDataLoss for a message that is not a runtime's.
#ifndef CRISP_OCI_SECCOMP_NOTIFY_H_
#define CRISP_OCI_SECCOMP_NOTIFY_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "oci/seccomp.h"

namespace crisp::oci {

// What the listener must know of a container; it travels through the runtime as listenerMetadata.
struct SeccompListenerData {
  std::string container_id;
  int errno_ret = 0;                    // the answer to most calls
  std::map<std::string, int> of_calls;  // and to those that have their own
};
std::string EncodeListenerData(const SeccompListenerData& data);
Result<SeccompListenerData> DecodeListenerData(std::string_view text);

// Leaves a profile alone that has a listener of its own, or nothing to report.
void MakeNotifying(const std::string& container_id, const std::string& listener_path,
                   SeccompProfile* profile);

// The runtime's message to the listener; the descriptor comes beside it. kUnavailable: more must
// come.
Result<SeccompListenerData> ParseListenerMessage(std::string_view text);

// "mkdirat"; "syscall 999" for a number without a name. `arch`: AUDIT_ARCH_*.
std::string SyscallName(uint32_t arch, int number);

}  // namespace crisp::oci

#endif  // CRISP_OCI_SECCOMP_NOTIFY_H_
