// Scratch: the monitor's big buffers, which exist only while there is something to copy.
//
// What:    one anonymous mapping for input and one for formatted output, made at first use and
//          given back to the kernel by Release() when the monitor has been idle (a hundred quiet
//          containers must not hold a hundred times 200 KiB).
// Threads: one.
#ifndef CRISP_CONMON_SCRATCH_H_
#define CRISP_CONMON_SCRATCH_H_

#include <cstddef>

namespace crisp::conmon {

class Scratch {
 public:
  static constexpr size_t kReadSize = 64 << 10;

  // `line_limit`: an unfinished line of that size stands in front of each read.
  explicit Scratch(size_t line_limit);
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { Release(); }

  // False when the kernel has no memory; the caller tries again later.
  bool Acquire();
  void Release();
  bool held() const { return memory_ != nullptr; }

  char* input() { return memory_; }  // input_size() bytes
  size_t input_size() const { return input_size_; }
  char* output() { return memory_ + input_size_; }  // output_size() bytes
  size_t output_size() const { return output_size_; }

 private:
  size_t input_size_;
  size_t output_size_;
  char* memory_ = nullptr;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_SCRATCH_H_
