// What is in a cgroup's files.
//
// Contract: cgroup-v2.rst "Interface Files", v1 writes its numbers and flat keyed files the same
//           way. Kernels add keys; whoever made the group has no say in the text, but a file of
//           another form is read as what it is: one that says nothing.
// Threads:  free functions without state.
#ifndef CRISP_BASE_CGROUP_TEXT_H_
#define CRISP_BASE_CGROUP_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace crisp {

// A file with one number; nullopt for "max" and anything else.
std::optional<uint64_t> ParseCgroupNumber(std::string_view text);

// "key value" lines, as in memory.stat and cpu.stat. Lines of another form are skipped; of a key
// that is there twice the last one counts.
std::unordered_map<std::string, uint64_t> ParseFlatKeyed(std::string_view text);

}  // namespace crisp

#endif  // CRISP_BASE_CGROUP_TEXT_H_
