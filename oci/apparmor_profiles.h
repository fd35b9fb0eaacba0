// LoadedProfiles: the kernel's list of AppArmor profiles.
//
// Contract: /sys/kernel/security/apparmor/profiles: a line "name (mode)" for each, of a child
//           "parent//name (mode)" (security/apparmor/apparmorfs.c, seq_show_profile). A name may
//           hold anything but a newline, also " (": the mode is what stands in the last
//           parentheses.
// Threads:  a value.
#ifndef CRISP_OCI_APPARMOR_PROFILES_H_
#define CRISP_OCI_APPARMOR_PROFILES_H_

#include <string>
#include <string_view>
#include <vector>

namespace crisp::oci {

class LoadedProfiles {
 public:
  // Lines of another form are no profiles.
  explicit LoadedProfiles(std::string_view list);

  bool Contains(std::string_view name) const;
  // By their whole names, in the list's order.
  std::vector<std::string> ChildrenOf(std::string_view parent) const;

  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
};

}  // namespace crisp::oci

#endif  // CRISP_OCI_APPARMOR_PROFILES_H_
