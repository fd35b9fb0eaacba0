// fuzz: libFuzzer on the target that CRISP_FUZZ_TARGET names.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz.h"

namespace {
const crisp::fuzz::Target* target = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("CRISP_FUZZ_TARGET");
  target = crisp::fuzz::FindTarget(name == nullptr ? "" : name);
  if (target != nullptr) return 0;
  std::fprintf(stderr, "set CRISP_FUZZ_TARGET to one of:");
  for (const crisp::fuzz::Target& known : crisp::fuzz::Targets()) {
    std::fprintf(stderr, " %s", std::string(known.name).c_str());
  }
  std::fprintf(stderr, "\n");
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  target->run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
