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

// One line of a pressure file (psi.rst): shares of the last seconds in percent, and the time of
// waiting since the group was made.
struct PressureLine {
  double avg10 = 0, avg60 = 0, avg300 = 0;
  uint64_t total_us = 0;
};
struct Pressure {
  std::optional<PressureLine> some, full;  // older kernels have no "full" for the CPU
};

// cpu.pressure and the like. A line that lacks one of its values, or has one that is no number, is
// not there.
Pressure ParsePressure(std::string_view text);

}  // namespace crisp

#endif  // CRISP_BASE_CGROUP_TEXT_H_
