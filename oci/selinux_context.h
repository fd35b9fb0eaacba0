// A context of SELinux in its four parts, or three where the policy has no levels.
#ifndef CRISP_OCI_SELINUX_CONTEXT_H_
#define CRISP_OCI_SELINUX_CONTEXT_H_

#include <optional>
#include <string>
#include <string_view>

namespace crisp::oci {

struct SelinuxContext {
  std::string user;
  std::string role;
  std::string type;
  std::string level;
};

// "user:role:type:level"; empty when `text` is not of this form. Without `mls` it may end with the
// type, and a level is left out: the policy has none.
std::optional<SelinuxContext> ParseSelinuxContext(std::string_view text, bool mls);
std::string ToText(const SelinuxContext& context);

}  // namespace crisp::oci

#endif  // CRISP_OCI_SELINUX_CONTEXT_H_
