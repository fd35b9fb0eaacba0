// Block I/O classes: names for weights and throttles, which pods ask for by annotation.
//
// What:     a class is a list of rules; a rule gives a weight and rates to the devices that its
//           patterns match, or (without patterns) a weight to all others. Where several rules of
//           a class match a device, the last one's values hold.
// Contract: runtime-spec config-linux.md "Block IO". The classes come from configuration.
// Threads:  free functions; ResolveBlockio reads /dev.
// Errors:   kInvalidArgument names an unknown class and those that there are; kNotFound a device
//           that is named without wildcards and missing.
#ifndef CRISP_OCI_BLOCKIO_H_
#define CRISP_OCI_BLOCKIO_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "oci/spec.h"

namespace crisp::oci {

struct BlockioRule {
  std::vector<std::string> devices;  // glob(7) patterns of block devices
  std::optional<uint16_t> weight;    // 10 to 1000
  std::optional<uint64_t> read_bps;
  std::optional<uint64_t> write_bps;
  std::optional<uint64_t> read_iops;
  std::optional<uint64_t> write_iops;
};
using BlockioClasses = std::map<std::string, std::vector<BlockioRule>>;

Result<BlockIo> ResolveBlockio(const BlockioClasses& classes, const std::string& name);

}  // namespace crisp::oci

#endif  // CRISP_OCI_BLOCKIO_H_
