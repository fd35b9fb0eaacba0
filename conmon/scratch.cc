#include "conmon/scratch.h"

#include <sys/mman.h>

#include <algorithm>

#include "conmon/line_formatter.h"

namespace crisp::conmon {
namespace {
constexpr size_t kOutputSize = 128 << 10;
constexpr size_t kPage = 4096;
size_t WholePages(size_t size) { return (size + kPage - 1) / kPage * kPage; }
}  // namespace

Scratch::Scratch(size_t line_limit)
    : input_size_(WholePages(line_limit + kReadSize)),
      output_size_(WholePages(std::max(kOutputSize, line_limit + LineFormatter::kOverhead))) {}

bool Scratch::Acquire() {
  if (memory_ != nullptr) return true;
  void* const memory = ::mmap(nullptr, input_size_ + output_size_, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  memory_ = static_cast<char*>(memory);
  return true;
}

void Scratch::Release() {
  if (memory_ != nullptr) ::munmap(memory_, input_size_ + output_size_);
  memory_ = nullptr;
}

}  // namespace crisp::conmon
