// SELinux labels of sandboxes and containers (oci/selinux.h; cri-contract 9.9).
//
// Threads:  free functions, from jobs of the sandbox's strand.
// Errors:   kInvalidArgument names the field and the value.
#ifndef CRISP_POD_SELINUX_LABELS_H_
#define CRISP_POD_SELINUX_LABELS_H_

#include <string>

#include "oci/selinux.h"
#include "pod/environment.h"

namespace crisp::pod {

// The level that the pod's containers share: the sandbox's own, or a fresh one. None where the host
// has no SELinux.
Result<SelinuxLevel> ChooseSelinuxLevel(Environment* env, const v1::PodSandboxConfig& config);

// Of the sandbox's files and of its init process.
Result<oci::SelinuxLabels> SelinuxLabelsOf(const Environment& env, const Sandbox& sandbox);

// What the container asks for, else its sandbox.
oci::SelinuxRequest SelinuxOf(const Container& container);
// Of all files of the container's own.
Result<std::string> MountLabel(const Environment& env, const Container& container);

// As oci::RelabelTree; nothing happens for an empty label.
Status LabelFiles(const std::string& path, const std::string& label);

}  // namespace crisp::pod

#endif  // CRISP_POD_SELINUX_LABELS_H_
