#include "image/pull/ordered_pieces.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

namespace crisp::image {
namespace {

constexpr size_t kChunkBytes = 256 << 10;
constexpr int64_t kHeadBytes = 1 << 20;  // between the head's connection and the sink

}  // namespace

OrderedPieces::OrderedPieces(const Stretch& stretch, Fetch fetch)
    : stretch_(stretch), fetch_(std::move(fetch)), position_(stretch.begin), next_(stretch.begin) {}

Status OrderedPieces::Run(const ByteSink& sink, const StopFlag& stop) {
  StopFlag pieces_stop(&stop);
  std::vector<std::thread> threads;
  try {
    for (int i = 0; i < stretch_.connections; ++i) {
      threads.emplace_back([this, i, &pieces_stop] { FetchPieces(i, pieces_stop); });
    }
  } catch (const std::system_error&) {  // no thread is to be had: with those that there are
  }
  if (threads.empty()) return ResourceExhausted("no thread for a connection");
  Status status = Deliver(sink);
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  pieces_stop.Set();
  for (std::thread& thread : threads) thread.join();
  return status;
}

void OrderedPieces::FetchPieces(int connection, const StopFlag& stop) {
  while (const std::shared_ptr<Piece> piece = Begin()) {
    const ByteSink sink = [&](Bytes bytes) { return Put(*piece, bytes); };
    Status status = fetch_(connection, piece->begin, piece->end, sink, stop);
    if (status.ok()) status = Push(*piece);
    End(*piece, std::move(status));
  }
}

std::shared_ptr<OrderedPieces::Piece> OrderedPieces::Begin() {
  std::lock_guard lock(mutex_);
  if (closed_ || failed_ || next_ == stretch_.end) return nullptr;
  auto piece = std::make_shared<Piece>();
  piece->begin = next_;
  piece->end = next_ = std::min(stretch_.end, next_ + stretch_.piece_bytes);
  piece->number = begun_++;
  pieces_.push_back(piece);
  changed_.notify_all();
  return piece;
}

Status OrderedPieces::Put(Piece& piece, Bytes bytes) {
  while (!bytes.empty()) {
    Chunk& chunk = piece.filling;
    if (chunk.data == nullptr) chunk.data = std::make_unique_for_overwrite<uint8_t[]>(kChunkBytes);
    const size_t n = std::min(bytes.size(), kChunkBytes - chunk.used);
    std::memcpy(chunk.data.get() + chunk.used, bytes.data(), n);
    chunk.used += n;
    bytes = bytes.subspan(n);
    if (chunk.used == kChunkBytes) CRISP_RETURN_IF_ERROR(Push(piece));
  }
  return OkStatus();
}

// How much of it may wait for delivery. What was begun early, while the head's last bytes still
// wait, may keep nothing yet.
int64_t OrderedPieces::AllowanceLocked(const Piece& piece) const {
  const auto ahead = static_cast<int64_t>(piece.number - head_number_);
  if (ahead == 0) return kHeadBytes;
  return stretch_.piece_bytes * std::max<int64_t>(0, stretch_.connections - ahead) /
         stretch_.connections;
}

Status OrderedPieces::Push(Piece& piece) {
  Chunk chunk = std::exchange(piece.filling, {});
  if (chunk.used == 0) return OkStatus();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return closed_ || piece.kept_bytes < AllowanceLocked(piece); });
  if (closed_) return Cancelled("the transfer was stopped");
  piece.kept_bytes += static_cast<int64_t>(chunk.used);
  piece.chunks.push_back(std::move(chunk));
  changed_.notify_all();
  return OkStatus();
}

void OrderedPieces::End(Piece& piece, Status outcome) {
  std::lock_guard lock(mutex_);
  piece.ended = true;
  if (!outcome.ok()) failed_ = true;
  piece.outcome = std::move(outcome);
  changed_.notify_all();
}

Status OrderedPieces::Deliver(const ByteSink& sink) {
  while (position_ < stretch_.end) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return !pieces_.empty() && (!pieces_.front()->chunks.empty() || pieces_.front()->ended);
    });
    Piece& head = *pieces_.front();
    if (head.chunks.empty()) {
      CRISP_RETURN_IF_ERROR(head.outcome);
      if (position_ != head.end) return Internal("a piece ended at byte ", position_);
      pieces_.pop_front();
      ++head_number_;
      changed_.notify_all();
      continue;
    }
    const Chunk chunk = std::move(head.chunks.front());
    head.chunks.pop_front();
    head.kept_bytes -= static_cast<int64_t>(chunk.used);
    changed_.notify_all();
    lock.unlock();
    CRISP_RETURN_IF_ERROR(sink(Bytes(chunk.data.get(), chunk.used)));
    position_ += static_cast<int64_t>(chunk.used);
  }
  return OkStatus();
}

}  // namespace crisp::image
