// LogBatch: where formatted log records gather until they are written with one write(2).
//
// Contract: what reaches the sink is always whole records (cri-contract section 10: each line is
// one
//           atomic append). The buffer is the caller's.
// Threads:  one.
#ifndef CRISP_CONMON_LOG_BATCH_H_
#define CRISP_CONMON_LOG_BATCH_H_

#include <cstddef>
#include <string_view>

namespace crisp::conmon {

class LineSink {
 public:
  virtual void WriteLines(std::string_view lines) = 0;

 protected:
  ~LineSink() = default;
};

class LogBatch {
 public:
  // `capacity` must hold the longest record.
  LogBatch(char* buffer, size_t capacity, LineSink* sink)
      : buffer_(buffer), capacity_(capacity), sink_(sink) {}
  LogBatch(const LogBatch&) = delete;
  LogBatch& operator=(const LogBatch&) = delete;

  // Room for one record of `size` bytes; flushes first when it is not there.
  char* Reserve(size_t size) {
    if (capacity_ - size_ < size) Flush();
    return buffer_ + size_;
  }
  void Commit(size_t size) { size_ += size; }
  void Flush() {
    if (size_ != 0) sink_->WriteLines({buffer_, size_});
    size_ = 0;
  }

 private:
  char* buffer_;
  size_t capacity_;
  size_t size_ = 0;
  LineSink* sink_;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_LOG_BATCH_H_
