#include "oci/monitor_connection.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <utility>

namespace crisp::oci {

using conmon::MessageType;
using conmon::Packet;

Result<ReceivedPacket> ReceivePacket(int fd) {
  ReceivedPacket received;
  received.bytes.resize(conmon::kMaxPacket_bytes);
  for (int resets = 0;;) {
    const ssize_t n =
        ::recv(fd, received.bytes.data(), received.bytes.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && errno == EINTR) continue;
    // Said once when the monitor ended with something of ours unread; what it sent is still there.
    if (n < 0 && errno == ECONNRESET && resets++ == 0) continue;
    if (n < 0 && errno == EAGAIN) return NotFound("no message");
    if (n <= 0) return Unavailable("the monitor closed the connection");
    if (static_cast<size_t>(n) > received.bytes.size()) return DataLoss("oversized message");
    received.bytes.resize(static_cast<size_t>(n));
    if (!conmon::DecodePacket(received.bytes)) return DataLoss("truncated message");
    return received;
  }
}

Status SendPacket(int fd, MessageType type, uint32_t request, std::string_view body,
                  MonoTime deadline) {
  const std::string packet = conmon::EncodePacket(type, request, body);
  for (;;) {
    if (::send(fd, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
      return OkStatus();
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Errno("send to monitor").WithCode(Code::kUnavailable);
    pollfd wait{fd, POLLOUT, 0};
    const int n = ::poll(&wait, 1, PollTimeoutMs(deadline));
    if (n == 0) return DeadlineExceeded("the monitor does not read its socket");
  }
}

Status StatusFromError(std::string_view body) {
  const std::optional<conmon::ErrorBody> error = conmon::ErrorBody::Decode(body);
  if (!error) return DataLoss("the monitor sent a malformed error");
  return Status(static_cast<Code>(error->code), error->text, error->sys_errno);
}

MonitorConnection::~MonitorConnection() { Close(); }

Status MonitorConnection::Start(Handlers handlers) {
  handlers_ = std::move(handlers);
  std::lock_guard lock(mutex_);
  watch_ = CRISP_TRY(loop_->Watch(fd_.get(), EPOLLIN, [weak = weak_from_this()](uint32_t) {
    if (auto self = weak.lock()) self->OnReadable();
  }));
  return OkStatus();
}

bool MonitorConnection::MarkClosed() {
  std::lock_guard lock(mutex_);
  if (std::exchange(closed_, true)) return false;
  if (watch_ != 0) loop_->Unwatch(watch_);
  answered_.notify_all();
  return true;
}

void MonitorConnection::Close() { (void)MarkClosed(); }

void MonitorConnection::OnReadable() {
  // A bound, so that a flood from one monitor does not hold the loop.
  for (int i = 0; i < 32; ++i) {
    Result<ReceivedPacket> received = ReceivePacket(fd_.get());
    if (received.ok()) {
      Route(*std::move(received));
    } else if (received.status().code() == Code::kNotFound) {
      return;
    } else {
      if (MarkClosed() && handlers_.on_closed) handlers_.on_closed();
      return;
    }
  }
}

void MonitorConnection::Route(ReceivedPacket received) {
  const Packet packet = received.packet();
  if (packet.header.request == 0) {
    if (handlers_.on_event) handlers_.on_event(packet);
    return;
  }
  std::lock_guard lock(mutex_);
  const auto it = waiting_.find(packet.header.request);
  if (it == waiting_.end()) return;  // its caller's deadline has passed
  it->second.answer = std::move(received);
  it->second.done = true;
  answered_.notify_all();
}

Status MonitorConnection::Post(MessageType type, std::string_view body) {
  return SendPacket(fd_.get(), type, 0, body, MonoNow());
}

Result<std::string> MonitorConnection::Call(MessageType type, std::string_view body,
                                            MonoTime deadline) {
  std::unique_lock lock(mutex_);
  if (closed_) return Unavailable("the monitor is gone");
  const uint32_t request = next_request_++;
  waiting_.try_emplace(request);
  lock.unlock();
  Status sent = SendPacket(fd_.get(), type, request, body, deadline);
  lock.lock();
  const auto settled = [&] { return waiting_[request].done || closed_; };
  if (sent.ok() && deadline == NoDeadline()) {
    answered_.wait(lock, settled);
  } else if (sent.ok() && !answered_.wait_until(lock, deadline, settled)) {
    sent = DeadlineExceeded("the monitor does not answer");
  }
  const Slot slot = std::move(waiting_[request]);
  waiting_.erase(request);
  CRISP_RETURN_IF_ERROR(std::move(sent));
  if (!slot.done) return Unavailable("the monitor went away");
  const Packet answer = slot.answer.packet();
  if (answer.is(MessageType::kError)) return StatusFromError(answer.body);
  if (answer.is(MessageType::kUnsupported)) {
    return Unimplemented("this monitor is too old for request ", static_cast<unsigned>(type));
  }
  return std::string(answer.body);
}

}  // namespace crisp::oci
