// A list of CPUs or memory nodes, as cpusets take it and the kernel writes it.
//
// Contract: cpuset(7), "List format": "0-3,5". A trailing newline or blank is no list.
// Threads:  free functions without state.
#ifndef CRISP_BASE_CPU_LIST_H_
#define CRISP_BASE_CPU_LIST_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace crisp {

struct CpuRange {
  uint32_t first = 0;
  uint32_t last = 0;  // not below `first`
};

// In the order of the text, never empty. nullopt: no such list.
std::optional<std::vector<CpuRange>> ParseCpuList(std::string_view text);
bool IsCpuList(std::string_view text);

// The first CPU of `wanted`, range by range, that is not in `here`.
std::optional<uint32_t> FirstMissingCpu(const std::vector<CpuRange>& wanted,
                                        const std::vector<CpuRange>& here);

}  // namespace crisp

#endif  // CRISP_BASE_CPU_LIST_H_
