// The files that a sandbox gives its containers: resolv.conf, hostname, hosts (cri-contract 6.4).
#ifndef CRISP_POD_SANDBOX_FILES_H_
#define CRISP_POD_SANDBOX_FILES_H_

#include <string>

#include "base/core/result.h"
#include "cri-api/api.pb.h"
#include "pod/paths.h"

namespace crisp::pod {

// The content of resolv.conf: only lines that have values; an absent dns_config is a copy of the
// host's file. kInvalidArgument when a value has white space or a newline.
Result<std::string> ResolvConf(const ::runtime::v1::PodSandboxConfig& config);
// The pod's hostname; the host's name when it is empty or the network is the host's.
// kInvalidArgument when it is longer than 64 bytes (sethostname(2)) or has other characters than
// letters, digits, '-', '.' and '_'.
Result<std::string> Hostname(const ::runtime::v1::PodSandboxConfig& config);

// Writes all three below paths.state(), which exists; they are container root's.
Status WriteSandboxFiles(const ::runtime::v1::PodSandboxConfig& config, const SandboxPaths& paths);

}  // namespace crisp::pod

#endif  // CRISP_POD_SANDBOX_FILES_H_
