// The parts of BuildSpec, one function per topic, for spec_builder.cc and its tests.
//
// Contract: as spec_builder.h. Each function takes the request and the facts of the machine and
//           fills its part of the spec; the order in which BuildSpec calls them is free except that
//           capabilities come before seccomp (the profile depends on them).
#ifndef CRISP_OCI_SPEC_PARTS_H_
#define CRISP_OCI_SPEC_PARTS_H_

#include <string>
#include <vector>

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

// cri-contract 8.2. `passwd_source` is bind-mounted on /etc/passwd when not empty.
Status BuildMounts(const ContainerRequest& request, const std::string& passwd_source,
                   const HostFacts& host, const std::string& mount_label, Spec* spec);
// "/a//b/../c" -> "/a/c"; a relative path is made absolute.
std::string CleanContainerPath(const std::string& path);

// cri-contract 8.3.
Status BuildDevices(const ContainerRequest& request, const HostFacts& host, Spec* spec);

// CompleteResources on a machine described by `host`.
Result<LinuxResources> CompleteResourcesOn(const LinuxResources& requested,
                                           const CgroupLayout* layout, const HostFacts& host);

// Strings of a request that end up in JSON and in the kernel: UTF-8 and no NUL.
Status CheckText(std::string_view field, std::string_view value);

}  // namespace crisp::oci

#endif  // CRISP_OCI_SPEC_PARTS_H_
