// Memory limits, and what is in use when they are lowered.
//
// Contract: cri-contract 7.7: a limit below the usage is an error. v1 refuses it; v2 takes it, and
//           kills.
// Threads:  free functions; CheckMemoryMax reads the kernel's files.
#ifndef CRISP_POD_MEMORY_LIMIT_H_
#define CRISP_POD_MEMORY_LIMIT_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/cgroup_dir.h"
#include "base/core/result.h"

namespace crisp::pod {

// A number of bytes as the kernel reads it ("64M") and keeps it: in whole pages. nullopt: none
// ("max", "-1", "").
std::optional<uint64_t> ParseMemoryLimit(std::string_view text);

// To be asked before `limit` is written to memory.max of `group` (v2). kFailedPrecondition: it is
// lower than now, and not more than what is in use.
Status CheckMemoryMax(const CgroupDir& group, std::string_view limit);

}  // namespace crisp::pod

#endif  // CRISP_POD_MEMORY_LIMIT_H_
