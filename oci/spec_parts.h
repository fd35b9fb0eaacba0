// The parts of BuildSpec, one function per topic, for spec_builder.cc and its tests.
//
// Contract: as spec_builder.h. Each function takes the request and the facts of the machine and
//           fills its part of the spec; the order in which BuildSpec calls them is free except that
//           capabilities come before seccomp (the profile depends on them).
#ifndef CRISP_OCI_SPEC_PARTS_H_
#define CRISP_OCI_SPEC_PARTS_H_

#include <map>
#include <string>
#include <vector>

#include "base/core/dir_fd.h"
#include "base/core/result.h"
#include "oci/host_facts.h"
#include "oci/spec_builder.h"

namespace crisp::oci {

// BuildSpec on a machine described by `host`.
Result<BuiltSpec> BuildSpecOn(const ContainerRequest& request, const std::string& state_dir,
                              const HostFacts& host);

// cri-contract 8.1. `home`: from the image's passwd, may be empty.
Status BuildProcess(const ContainerRequest& request, const std::string& home, const HostFacts& host,
                    Process* process);
// The working directory as it will be in the container: absolute, cleaned.
std::string WorkingDirectory(const ContainerRequest& request);

// Makes it in the rootfs, resolved as the container's own root would. Refuses a way into
// /proc/<pid>.
Status MakeWorkingDirectory(const DirFd& rootfs, const std::string& cwd);

// cri-contract 8.2. `passwd_source` is bind-mounted on /etc/passwd when not empty.
Status BuildMounts(const ContainerRequest& request, const std::string& passwd_source,
                   const HostFacts& host, const std::string& mount_label, Spec* spec);
// Where `path` is in the root file system when all links of the image have been followed; what does
// not exist counts as it is written. kInvalidArgument: links without end.
Result<std::string> PlaceInRoot(const DirFd& rootfs, const std::string& path);
// Refuses mounts that links of the image lead into /proc, or to the root.
Status CheckMountPlaces(const DirFd& rootfs, const Spec& spec);

// What the runtime handler's settings give: default annotations, and those of the pod and the
// container that it allows.
std::map<std::string, std::string> HandlerAnnotations(const ContainerRequest& request);
// The hooks that administrators configured for containers like this.
Status AddConfiguredHooks(const ContainerRequest& request, Spec* spec);

// Whether the container gets, and may use, every device of the host.
bool HasHostDevices(const ContainerRequest& request);
// cri-contract 8.3.
Status BuildDevices(const ContainerRequest& request, const HostFacts& host, Spec* spec);

// cri-contract 6.2. Last of all: changes what the other parts have built into what works in the
// pod's user namespace. Nothing happens without one.
Status ApplyUserNamespace(const ContainerRequest& request, const HostFacts& host, Spec* spec);
// Directories that were just made in the rootfs by host root, on the way to `path` and it, become
// container root's.
Status OwnNewDirectories(const DirFd& rootfs, const std::string& path,
                         const RequestedUserNamespace& user_ns);

// CompleteResources on a machine described by `host`.
Result<LinuxResources> CompleteResourcesOn(const LinuxResources& requested,
                                           const CgroupLayout* layout, const HostFacts& host);

}  // namespace crisp::oci

#endif  // CRISP_OCI_SPEC_PARTS_H_
