#include "fuzz.h"

#include <cstdio>
#include <cstdlib>

namespace crisp::fuzz {

std::vector<Target>& Targets() {
  static std::vector<Target> targets;
  return targets;
}

const Target* FindTarget(std::string_view name) {
  for (const Target& target : Targets()) {
    if (target.name == name) return &target;
  }
  return nullptr;
}

void Fail(const char* file, int line, const char* what) {
  std::fprintf(stderr, "%s:%d: required, but not so: %s\n", file, line, what);
  std::abort();
}

Parts SplitLine(std::string_view input) {
  const size_t end = input.find('\n');
  if (end == std::string_view::npos) return {input, {}};
  return {input.substr(0, end), input.substr(end + 1)};
}

}  // namespace crisp::fuzz
