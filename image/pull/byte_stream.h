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

// Pushed to; an error stops the producer.
using ByteSink = std::function<Status(Bytes)>;
// Produces a whole blob into the sink, from a registry or from a file; ends early with kCancelled
// when `stop` becomes true.
using BlobProducer = std::function<Status(const ByteSink&, const std::atomic<bool>& stop)>;

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_BYTE_STREAM_H_
