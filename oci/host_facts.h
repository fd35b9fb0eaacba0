// HostFacts: what the spec builder asks of this machine, read once per spec.
//
// What:     capabilities, security modules, oom score and the paths of the kernel's files. A value
//           that tests fill by hand, so that the rules for other machines can be tried on this one.
// Contract: proc(5), capabilities(7), cri-contract 9.4, 9.8.
// Threads:  a value; ReadHostFacts() may be called from any thread.
// Errors:   a file that is missing means that the kernel lacks the thing; nothing fails.
#ifndef CRISP_OCI_HOST_FACTS_H_
#define CRISP_OCI_HOST_FACTS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace crisp::oci {

struct HostFacts {
  // Bits are capability numbers. `kernel`: all that this kernel knows.
  uint64_t kernel_capabilities = 0;
  uint64_t bounding_capabilities = 0;
  bool may_lower_oom_score = false;  // CAP_SYS_RESOURCE is effective
  int oom_score_adj = 0;             // of this process
  bool seccomp = false;
  int kernel_major = 0;
  int kernel_minor = 0;
  bool apparmor = false;
  std::string apparmor_profiles = "/sys/kernel/security/apparmor/profiles";
  std::string mountinfo = "/proc/self/mountinfo";
  std::string device_directory = "/dev";
  std::string hugepages_directory = "/sys/kernel/mm/hugepages";
  std::string resctrl_directory = "/sys/fs/resctrl";
};

HostFacts ReadHostFacts();

// The mask behind `key`, such as "CapBnd:", in the text of /proc/<pid>/status. 0: there is no such
// line, or something else in it.
uint64_t StatusMask(std::string_view status, std::string_view key);

}  // namespace crisp::oci

#endif  // CRISP_OCI_HOST_FACTS_H_
