// BufferRing: a fixed set of buffers between two threads of a layer's pipeline.
//
// What:    the producer fills buffers (Writable, Commit; or Write, which copies), the consumer gets
//          them in order (Next). Memory is bounded and never allocated after the making; a slow
//          side blocks the other one.
// Threads: one producer, one consumer.
// Errors:  Finish(status) reaches the consumer behind the data; Abort() makes the producer's calls
//          fail with kCancelled.
#ifndef CRISP_IMAGE_PULL_BUFFER_RING_H_
#define CRISP_IMAGE_PULL_BUFFER_RING_H_

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "image/pull/byte_stream.h"

namespace crisp::image {

class BufferRing : public ByteStream {
 public:
  // `on_commit`, if set, sees each buffer in the producer's thread before it is given out.
  BufferRing(size_t buffers, size_t buffer_bytes, std::function<void(Bytes)> on_commit = nullptr);

  // Producer.
  Result<std::span<uint8_t>> Writable();
  void Commit(size_t bytes);
  Status Write(Bytes bytes);
  // Once, at the end; gives out what Write() had not filled up.
  void Finish(Status status);

  // Consumer.
  Result<Bytes> Next() override;
  void Abort();

 private:
  struct Buffer {
    std::unique_ptr<uint8_t[]> data;
    size_t used = 0;
  };
  const size_t buffer_bytes_;
  const std::function<void(Bytes)> on_commit_;
  std::vector<Buffer> buffers_;
  size_t filled_ = 0;  // producer's: bytes that Write() put into the open buffer

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  size_t head_ = 0;  // next to be read
  size_t tail_ = 0;  // next to be written
  size_t full_ = 0;
  bool reading_ = false;  // the consumer holds the buffer at head_
  bool finished_ = false;
  bool aborted_ = false;
  Status final_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_BUFFER_RING_H_
