// A list of CPUs or memory nodes, as cpusets take it.
//
// Contract: cpuset(7), "List format": "0-3,5". A trailing newline or blank is no list.
// Threads:  a free function.
#ifndef CRISP_BASE_CPU_LIST_H_
#define CRISP_BASE_CPU_LIST_H_

#include <string_view>

namespace crisp {

bool IsCpuList(std::string_view text);

}  // namespace crisp

#endif  // CRISP_BASE_CPU_LIST_H_
