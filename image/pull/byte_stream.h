// ByteStream and ByteSink: the two ends of every transfer in crisp-pull.
#ifndef CRISP_IMAGE_PULL_BYTE_STREAM_H_
#define CRISP_IMAGE_PULL_BYTE_STREAM_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "base/core/result.h"

namespace crisp::image {

using Bytes = std::span<const uint8_t>;

// Pulled from. The bytes stay valid until the next call; empty means the end. After an error every
// further call gives an error.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  virtual Result<Bytes> Next() = 0;
};

// Set when what it stands for shall end, or what that is part of: a layer, and its image.
class StopFlag {
 public:
  explicit StopFlag(const StopFlag* whole = nullptr) : whole_(whole) {}
  void Set() { set_.store(true); }
  bool IsSet() const { return set_.load() || (whole_ != nullptr && whole_->IsSet()); }

 private:
  const StopFlag* const whole_;
  std::atomic<bool> set_{false};
};

// Pushed to; an error stops the producer.
using ByteSink = std::function<Status(Bytes)>;
// Produces a whole blob into the sink, from a registry or from a file; ends early with kCancelled
// when `stop` is set.
using BlobProducer = std::function<Status(const ByteSink&, const StopFlag& stop)>;

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_BYTE_STREAM_H_
