// The file of block I/O classes that blockio_config names.
//
// Contract: the YAML that containerd and CRI-O read:
//             Classes:
//               NAME:
//               - Devices: [/dev/sd*, /dev/vda]     patterns; none: a weight for all others
//                 Weight: 50                        10 to 1000
//                 ThrottleReadBps: 60M              also ThrottleWriteBps, ThrottleReadIOPS,
//                                                   ThrottleWriteIOPS
//           Quantities may end in k, M, G, T (powers of 1000) or Ki, Mi, Gi, Ti.
// Threads:  a free function.
// Errors:   kInvalidArgument "file:line: ..." with what is allowed.
#ifndef CRISP_SERVER_CONFIG_BLOCKIO_FILE_H_
#define CRISP_SERVER_CONFIG_BLOCKIO_FILE_H_

#include "base/core/result.h"
#include "server/config/config.h"

namespace crisp::config {

// `file` is for messages.
Result<BlockioClasses> ParseBlockio(const std::string& text, const std::string& file);

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_BLOCKIO_FILE_H_
