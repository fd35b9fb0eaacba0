#include "server/streaming/socket_link.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace crisp::streaming {
namespace {

constexpr size_t kBuffer_bytes = 128 << 10;
constexpr int kReadsInARow = 4;  // then others get their turn
constexpr size_t kPiecesAtOnce = 32;
constexpr size_t kQueue_bytes = 1 << 20;  // that all pieces share
constexpr size_t kLeastPiece_bytes = 4 << 10;

}  // namespace

SocketLink::SocketLink(Io* io, std::unique_ptr<Wire> wire, const Limits& limits,
                       const Traffic& traffic)
    : io_(io), wire_(std::move(wire)), limits_(limits), traffic_(traffic), timer_(io) {}

Result<std::shared_ptr<SocketLink>> SocketLink::Create(Io* io, std::unique_ptr<Wire> wire,
                                                       const Limits& limits,
                                                       const Traffic& traffic) {
  std::unique_ptr<SocketWatch> watch = CRISP_TRY(SocketWatch::Create(io, wire->fd()));
  std::shared_ptr<SocketLink> out(new SocketLink(io, std::move(wire), limits, traffic));
  out->watch_ = std::move(watch);
  return out;
}

void SocketLink::Start() {
  ArmIdleTimer();
  Post(io_, [self = shared_from_this()] { self->Handshake(); });
}

void SocketLink::Handshake() {
  if (state_ != State::kHandshake) return;
  WireResult result = wire_->Handshake();
  if (Await(result)) return;
  if (!result.done()) {
    return Fail(result.state == WireResult::State::kEnd ? Unavailable("the client closed")
                                                        : std::move(result.error));
  }
  state_ = State::kOpen;
  if (!queue_.empty()) ScheduleFlush();
  ReadSome();
}

void SocketLink::ArmIdleTimer() {
  const Duration left = last_activity_ + limits_.idle - MonoNow();
  timer_.Start(std::max(left, Duration::zero()), [self = shared_from_this()] {
    if (MonoNow() - self->last_activity_ < self->limits_.idle) return self->ArmIdleTimer();
    self->Fail(DeadlineExceeded("nothing came or went for the idle timeout"));
  });
}

// --- Writing -------------------------------------------------------------------------------------

void SocketLink::Write(Piece piece) {
  if (state_ == State::kHandshake || state_ == State::kOpen) {
    queued_bytes_ += piece.head.size() + piece.body.size();
    queue_.push_back({std::move(piece), {}});
  } else if (piece.sent) {
    completed_.push_back(
        {std::move(piece.sent), Unavailable("the connection is over"), piece.owner});
  }
  ScheduleFlush();
}

// Those that were sent and have not been told yet will soon write again.
size_t SocketLink::PieceLimit() const {
  const size_t share = kQueue_bytes / (queue_.size() + completed_.size() + 1);
  const size_t left = kQueue_bytes - std::min(kQueue_bytes, queued_bytes_);
  return std::max(kLeastPiece_bytes, std::min(share, left));
}

// Not at once: what is written in one turn goes out in one system call.
void SocketLink::ScheduleFlush() {
  if (std::exchange(flush_scheduled_, true)) return;
  Post(io_, [self = shared_from_this()] {
    self->flush_scheduled_ = false;
    self->Flush();
  });
}

void SocketLink::Flush() {
  if (state_ == State::kHandshake) return;
  if (state_ == State::kOpen || state_ == State::kFlushing) {
    while (!queue_.empty()) {
      WireResult result = WriteQueue();
      if (Await(result)) break;
      if (!result.done()) return Fail(std::move(result.error));
      Advance(result.bytes);
    }
    WireResult flushed = queue_.empty() ? wire_->Flush() : WireResult{};
    const bool left = Await(flushed);
    if (flushed.state == WireResult::State::kFailed) return Fail(std::move(flushed.error));
    if (queue_.empty() && !left && state_ == State::kFlushing) BeginDrain();
  }
  const bool empty = queue_.empty();
  RunCompletions();
  if (empty && queue_.empty() && state_ == State::kOpen && observer_ != nullptr) {
    observer_->OnDrained();
  }
}

WireResult SocketLink::WriteQueue() {
  std::array<iovec, 2 * kPiecesAtOnce> parts;
  int count = 0;
  size_t skip = front_written_;
  const auto add = [&](std::string_view bytes) {
    const size_t skipped = std::min(skip, bytes.size());
    skip -= skipped;
    bytes.remove_prefix(skipped);
    if (bytes.empty()) return;
    parts[static_cast<size_t>(count++)] = {const_cast<char*>(bytes.data()), bytes.size()};
  };
  for (size_t i = 0; i < std::min(queue_.size(), kPiecesAtOnce); ++i) {
    add(queue_[i].piece.head);
    add(queue_[i].piece.body);
  }
  if (count == 0) return {};  // pieces without a byte
  return wire_->Write(parts.data(), count);
}

void SocketLink::Advance(size_t bytes) {
  last_activity_ = MonoNow();
  if (traffic_.out != nullptr) traffic_.out->Add(bytes);
  if (state_ == State::kFlushing) {
    timer_.Start(limits_.flush, [self = shared_from_this()] { self->Die(); });
  }
  queued_bytes_ -= bytes;
  front_written_ += bytes;
  while (!queue_.empty()) {
    Piece& piece = queue_.front().piece;
    const size_t size = piece.head.size() + piece.body.size();
    if (front_written_ < size) break;
    front_written_ -= size;
    if (piece.sent) completed_.push_back({std::move(piece.sent), OkStatus(), piece.owner});
    queue_.pop_front();
  }
}

// One at a time from the member: a callback may release what the next one belongs to.
void SocketLink::RunCompletions() {
  const auto self = shared_from_this();
  while (!completed_.empty()) {
    Completed next = std::move(completed_.front());
    completed_.pop_front();
    next.sent(std::move(next.status));
  }
}

void SocketLink::CopyBody(Queued* queued) {
  queued->piece.sent = nullptr;
  if (!queued->copy.empty() || queued->piece.body.empty()) return;
  queued->copy = std::string(queued->piece.body);
  queued->piece.body = queued->copy;
}

void SocketLink::Release(uint32_t owner) {
  for (Queued& queued : queue_) {
    if (queued.piece.owner == owner) CopyBody(&queued);
  }
  std::erase_if(completed_, [owner](const Completed& c) { return c.owner == owner; });
}

// --- Reading -------------------------------------------------------------------------------------

// A client that is gone is noticed all the same, also behind data that nobody takes.
void SocketLink::PauseReading() {
  paused_ = true;
  if (state_ == State::kOpen) AwaitHangUp();
}

void SocketLink::AwaitHangUp() {
  watch_->AwaitError([self = shared_from_this()] {
    self->hung_up_ = true;
    if (self->state_ == State::kOpen && self->paused_) self->FailHungUp();
  });
  if (hung_up_) Post(io_, [self = shared_from_this()] { self->FailHungUp(); });
}

void SocketLink::FailHungUp() {
  if (state_ != State::kOpen || !paused_) return;
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(wire_->fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  Fail(error != 0 ? ErrnoStatus(error, "the client's connection")
                  : Status(Code::kCancelled, "the client closed the connection"));
}

void SocketLink::ResumeReading() {
  if (!std::exchange(paused_, false) || std::exchange(read_scheduled_, true)) return;
  Post(io_, [self = shared_from_this()] {
    self->read_scheduled_ = false;
    self->ReadSome();
  });
}

void SocketLink::ReadSome() {
  if (state_ == State::kHandshake) return;
  const auto self = shared_from_this();
  for (int i = 0; i < kReadsInARow; ++i) {
    if (!ReadOnce()) return;
  }
  if (std::exchange(read_scheduled_, true)) return;
  Post(io_, [self] {
    self->read_scheduled_ = false;
    self->ReadSome();
  });
}

bool SocketLink::ReadOnce() {
  const bool open = state_ == State::kOpen;
  if (state_ == State::kDead || client_ended_ || (open && paused_)) return false;
  if (buffer_ == nullptr) buffer_.reset(new char[kBuffer_bytes]);  // uninitialized: not yet memory
  WireResult result = wire_->Read(buffer_.get(), kBuffer_bytes);
  if (Await(result)) return false;
  if (result.done()) {
    if (!open) return true;  // dropped
    last_activity_ = MonoNow();
    if (traffic_.in != nullptr) traffic_.in->Add(result.bytes);
    if (observer_ != nullptr) observer_->OnBytes({buffer_.get(), result.bytes});
    return true;
  }
  client_ended_ = true;
  if (state_ == State::kDraining) {
    Die();
  } else if (open) {
    Fail(result.state == WireResult::State::kEnd
             ? Status(Code::kCancelled, "the client closed the connection")
             : std::move(result.error));
  }
  return false;
}

bool SocketLink::Await(const WireResult& result) {
  if (result.state == WireResult::State::kAwaitRead) {
    AwaitReadable();
    return true;
  }
  if (result.state == WireResult::State::kAwaitWrite) {
    AwaitWritable();
    return true;
  }
  return false;
}

// With TLS either may be what the other waits for, so both are tried.
void SocketLink::AwaitReadable() {
  watch_->AwaitRead([self = shared_from_this()] {
    if (self->state_ == State::kHandshake) return self->Handshake();
    self->ReadSome();
    if (!self->queue_.empty() || self->state_ == State::kFlushing) self->ScheduleFlush();
  });
}

void SocketLink::AwaitWritable() {
  watch_->AwaitWrite([self = shared_from_this()] {
    if (self->state_ == State::kHandshake) return self->Handshake();
    self->Flush();
    self->ReadSome();
  });
}

// --- The end -------------------------------------------------------------------------------------

void SocketLink::Close() {
  observer_ = nullptr;
  completed_.clear();
  if (state_ == State::kHandshake) return Abort();
  if (state_ != State::kOpen) return;
  for (Queued& queued : queue_) CopyBody(&queued);
  state_ = State::kFlushing;
  const auto self = shared_from_this();
  timer_.Start(limits_.flush, [self] { self->Die(); });
  ScheduleFlush();
  Post(io_, [self] { self->ReadSome(); });  // whatever comes now is dropped
}

void SocketLink::BeginDrain() {
  state_ = State::kDraining;
  if (client_ended_ || !wire_->CloseWrite().done()) return Die();
  timer_.Start(limits_.drain, [self = shared_from_this()] { self->Die(); });
}

void SocketLink::Fail(Status why) {
  if (state_ == State::kDead) return;
  if (state_ == State::kFlushing || state_ == State::kDraining) return Die();
  const auto self = shared_from_this();
  for (Queued& queued : queue_) {
    if (queued.piece.sent == nullptr) continue;
    completed_.push_back(
        {std::move(queued.piece.sent), Unavailable(why.message()), queued.piece.owner});
  }
  Die();
  RunCompletions();
  if (Observer* observer = std::exchange(observer_, nullptr)) observer->OnEnd(why);
}

void SocketLink::Die() {
  state_ = State::kDead;
  queue_.clear();
  queued_bytes_ = 0;
  timer_.Cancel();
  watch_.reset();
  wire_.reset();
}

void SocketLink::Abort() {
  observer_ = nullptr;
  completed_.clear();
  if (state_ != State::kDead) Die();
}

}  // namespace crisp::streaming
