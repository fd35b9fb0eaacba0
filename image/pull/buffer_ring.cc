#include "image/pull/buffer_ring.h"

#include <algorithm>
#include <cstring>

namespace crisp::image {

BufferRing::BufferRing(size_t buffers, size_t buffer_bytes, std::function<void(Bytes)> on_commit)
    : buffer_bytes_(buffer_bytes), on_commit_(std::move(on_commit)), buffers_(buffers) {
  for (Buffer& buffer : buffers_) {
    buffer.data = std::make_unique_for_overwrite<uint8_t[]>(buffer_bytes);
  }
}

Result<std::span<uint8_t>> BufferRing::Writable() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return aborted_ || full_ < buffers_.size(); });
  if (aborted_) return Cancelled("the reader of the stream has stopped");
  return std::span(buffers_[tail_].data.get(), buffer_bytes_);
}

void BufferRing::Commit(size_t bytes) {
  if (on_commit_) on_commit_(Bytes(buffers_[tail_].data.get(), bytes));
  std::lock_guard lock(mutex_);
  buffers_[tail_].used = bytes;
  tail_ = (tail_ + 1) % buffers_.size();
  ++full_;
  changed_.notify_all();
}

Status BufferRing::Write(Bytes bytes) {
  while (!bytes.empty()) {
    const std::span<uint8_t> room = CRISP_TRY(Writable());
    const size_t n = std::min(bytes.size(), room.size() - filled_);
    std::memcpy(room.data() + filled_, bytes.data(), n);
    filled_ += n;
    bytes = bytes.subspan(n);
    if (filled_ == room.size()) Commit(std::exchange(filled_, 0));
  }
  return OkStatus();
}

void BufferRing::Finish(Status status) {
  if (filled_ > 0) Commit(std::exchange(filled_, 0));
  std::lock_guard lock(mutex_);
  finished_ = true;
  final_ = std::move(status);
  changed_.notify_all();
}

Result<Bytes> BufferRing::Next() {
  std::unique_lock lock(mutex_);
  if (std::exchange(reading_, false)) {
    head_ = (head_ + 1) % buffers_.size();
    --full_;
    changed_.notify_all();
  }
  changed_.wait(lock, [&] { return full_ > 0 || finished_; });
  if (full_ == 0) {
    if (!final_.ok()) return final_;
    return Bytes();
  }
  reading_ = true;
  return Bytes(buffers_[head_].data.get(), buffers_[head_].used);
}

void BufferRing::Abort() {
  std::lock_guard lock(mutex_);
  aborted_ = true;
  changed_.notify_all();
}

}  // namespace crisp::image
