// Codecs of what containers get by default: ulimits, sysctls, CPU lists.
#ifndef CRISP_SERVER_CONFIG_CONTAINER_CODEC_H_
#define CRISP_SERVER_CONFIG_CONTAINER_CODEC_H_

#include "server/config/codec.h"
#include "server/config/config.h"

namespace crisp::config {

// "nofile=1024:4096" or "nproc=512" (soft = hard); a limit may be "unlimited".
Codec<std::vector<Ulimit>> UlimitListCodec();
// Only sysctls that belong to a namespace of the pod (cri-contract 6.6).
Codec<std::map<std::string, std::string>> SysctlMapCodec();
// "0-3,5" (cpuset(7)), or "": not set.
Codec<std::string> CpuListCodec();
// "/", or a path as of CgroupPathCodec.
Codec<std::string> OwnCgroupParentCodec();

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_CONTAINER_CODEC_H_
