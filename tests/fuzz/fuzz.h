// Fuzz targets: one function per parser of foreign bytes, found by name.
//
// What:    a source of targets has CRISP_FUZZ(name) { ... `input` ... }, and CRISP_REQUIRE for what
//          must hold. Two programs hold all targets: `fuzz` (libFuzzer) and `fuzz_replay` (every
//          compiler: the corpus, its prefixes and some generic nasty inputs).
// Threads: one; a target keeps no state between inputs.
// Errors:  CRISP_REQUIRE prints what failed and aborts.
#ifndef CRISP_TESTS_FUZZ_FUZZ_H_
#define CRISP_TESTS_FUZZ_FUZZ_H_

#include <string>
#include <string_view>
#include <vector>

namespace crisp::fuzz {

struct Target {
  std::string_view name;
  void (*run)(std::string_view input);
};

// In no particular order.
std::vector<Target>& Targets();
const Target* FindTarget(std::string_view name);

struct Registration {
  Registration(std::string_view name, void (*run)(std::string_view)) {
    Targets().push_back({name, run});
  }
};

[[noreturn]] void Fail(const char* file, int line, const char* what);

// Cuts `input` into a first line and the rest, for targets that need more than one value.
struct Parts {
  std::string_view first;
  std::string_view rest;
};
Parts SplitLine(std::string_view input);

}  // namespace crisp::fuzz

#define CRISP_REQUIRE(condition) \
  ((condition) ? void() : ::crisp::fuzz::Fail(__FILE__, __LINE__, #condition))

#define CRISP_FUZZ(name)                                                            \
  static void Fuzz_##name(std::string_view input);                                  \
  static const ::crisp::fuzz::Registration registration_##name(#name, Fuzz_##name); \
  static void Fuzz_##name(std::string_view input)

#endif  // CRISP_TESTS_FUZZ_FUZZ_H_
