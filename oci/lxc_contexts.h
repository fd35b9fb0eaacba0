// The files of an SELinux policy that the room reads.
//
// Contract: lxc_contexts(5), selinux_config(5): lines "key = value", a value in quotes or without;
//           '#' begins a comment line. Unknown keys are passed over.
// Threads:  free functions.
#ifndef CRISP_OCI_LXC_CONTEXTS_H_
#define CRISP_OCI_LXC_CONTEXTS_H_

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "oci/selinux.h"

namespace crisp::oci {

// SELINUXTYPE of selinux/config: the name of the policy's directory beside it, never a path. The
// last one counts; "targeted" without one.
std::string ParsePolicyName(std::string_view config);

// Sets the contexts of `host` that `text` has, in the form that host->mls asks for.
// kInvalidArgument names `file`, key and value; `host` is then half changed.
Status ParseLxcContexts(std::string_view text, const std::string& file, SelinuxHost* host);

}  // namespace crisp::oci

#endif  // CRISP_OCI_LXC_CONTEXTS_H_
