#include "oci/blockio.h"

#include <glob.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <utility>

namespace crisp::oci {
namespace {

using DeviceNumber = std::pair<unsigned, unsigned>;  // major, minor

// The numbers of the block devices that a pattern matches, symlinks followed (/dev/disk/by-id).
Result<std::vector<DeviceNumber>> Match(const std::string& pattern) {
  std::vector<DeviceNumber> out;
  glob_t found{};
  const int failed = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  for (size_t i = 0; failed == 0 && i < found.gl_pathc; ++i) {
    struct stat st {};
    if (::stat(found.gl_pathv[i], &st) == 0 && S_ISBLK(st.st_mode)) {
      out.emplace_back(major(st.st_rdev), minor(st.st_rdev));
    }
  }
  ::globfree(&found);
  if (out.empty() && pattern.find_first_of("*?[") == std::string::npos) {
    return NotFound("block device ", pattern, " (of a block I/O class) does not exist");
  }
  return out;
}

// The last rule that speaks of a device wins.
using Values = std::map<DeviceNumber, uint64_t>;
void Set(Values* values, const DeviceNumber& device, const std::optional<uint64_t>& value) {
  if (value) (*values)[device] = *value;
}
std::vector<BlockIoDevice> List(const Values& values) {
  std::vector<BlockIoDevice> out;
  for (const auto& [device, value] : values) out.push_back({device.first, device.second, value});
  return out;
}

}  // namespace

Result<BlockIo> ResolveBlockio(const BlockioClasses& classes, const std::string& name) {
  const auto at = classes.find(name);
  if (at == classes.end()) {
    std::string known;
    for (const auto& [other, unused] : classes) known += Cat(known.empty() ? "" : ", ", other);
    return InvalidArgument("block I/O class '", name, "' is unknown; allowed: ",
                           known.empty() ? "none is configured (blockio_config)" : known);
  }
  BlockIo out;
  Values weights;
  Values read_bps;
  Values write_bps;
  Values read_iops;
  Values write_iops;
  for (const BlockioRule& rule : at->second) {
    if (rule.devices.empty() && rule.weight) out.weight = rule.weight;
    for (const std::string& pattern : rule.devices) {
      for (const DeviceNumber& device : CRISP_TRY(Match(pattern))) {
        if (rule.weight) weights[device] = *rule.weight;
        Set(&read_bps, device, rule.read_bps);
        Set(&write_bps, device, rule.write_bps);
        Set(&read_iops, device, rule.read_iops);
        Set(&write_iops, device, rule.write_iops);
      }
    }
  }
  out.weight_device = List(weights);
  out.read_bps = List(read_bps);
  out.write_bps = List(write_bps);
  out.read_iops = List(read_iops);
  out.write_iops = List(write_iops);
  return out;
}

}  // namespace crisp::oci
