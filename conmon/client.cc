#include "conmon/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>

namespace crisp::conmon {
namespace {
constexpr int64_t kStallBudget_ms = 2000;
constexpr int64_t kBudgetRegain = 20;
constexpr int kAttachSendBuffer_bytes = 1 << 20;

uint8_t InputOnly(uint8_t streams) { return streams & AttachBody::kStdin; }
}  // namespace

int64_t NowMs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

Client::~Client() {
  if (alive() && watched_ != 0) poller_->Remove(fd_.get(), this);
}

// Nothing is watched while the input is paused and the socket is not full: a hang-up would be
// reported again and again. It is found when the input resumes.
uint32_t Client::Interest() const {
  return (input_paused_ ? 0u : static_cast<uint32_t>(EPOLLIN)) |
         (stalled_since_ms_ >= 0 ? static_cast<uint32_t>(EPOLLOUT) : 0u);
}

void Client::Rewatch(uint32_t before) {
  watched_ = Interest();
  if (before == watched_) return;
  if (before == 0) {
    if (!poller_->Add(fd_.get(), watched_, this).ok()) {
      watched_ = 0;
      Drop();
    }
  } else if (watched_ == 0) {
    poller_->Remove(fd_.get(), this);
  } else {
    poller_->Modify(fd_.get(), watched_, this);
  }
}

Status Client::Watch() {
  watched_ = Interest();
  return watched_ == 0 ? OkStatus() : poller_->Add(fd_.get(), watched_, this);
}

void Client::Send(MessageType type, uint32_t request, std::string_view body) {
  if (!alive() || peer_gone_) return;
  std::string header = EncodePacket(type, request);
  iovec parts[] = {{header.data(), header.size()}, {const_cast<char*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return;
  // A peer that has left may have sent input before; what is in the socket is still read.
  peer_gone_ = errno == EPIPE || errno == ECONNRESET;
  if (!peer_gone_) Drop();
}

void Client::Answer(uint32_t request, const Status& status) {
  if (status.ok()) return Send(MessageType::kOk, request);
  ErrorBody body;
  body.code = static_cast<uint32_t>(status.code());
  body.sys_errno = status.sys_errno();
  body.text = status.message();
  Send(MessageType::kError, request, body.Encode());
}

void Client::Drop() {
  if (!alive()) return;
  if (watched_ != 0) poller_->Remove(fd_.get(), this);
  fd_.Reset();
  EndInput();
}

void Client::Attach(uint8_t streams) {
  streams_ = streams;
  budget_ms_ = kStallBudget_ms;
  budget_at_ms_ = NowMs();
  // The bound of what one client may have unread. FORCE needs CAP_NET_ADMIN; without it the
  // system's maximum is the bound.
  const int size = kAttachSendBuffer_bytes;
  if (::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  }
}

void Client::Restore(bool hello, uint8_t streams, bool input_ended) {
  said_hello = hello;
  if (streams != 0) Attach(streams);
  input_ended_ = input_ended;
}

void Client::PauseInput() {
  if (!alive() || InputOnly(streams_) == 0) return;
  input_paused_ = true;
  Rewatch(watched_);
}

void Client::ResumeInput() {
  if (!alive() || !input_paused_) return;
  input_paused_ = false;
  Rewatch(watched_);
}

void Client::EndInput() {
  if (InputOnly(streams_) == 0 || std::exchange(input_ended_, true)) return;
  owner_->OnAttachInputEnd();
}

bool Client::ReadyForOutput(int64_t now_ms) {
  if (!alive() || !wants(AttachBody::kStdout | AttachBody::kStderr)) return true;
  budget_ms_ = std::min(kStallBudget_ms, budget_ms_ + (now_ms - budget_at_ms_) / kBudgetRegain);
  // Only whole gained milliseconds move the mark.
  if (now_ms - budget_at_ms_ >= kBudgetRegain) budget_at_ms_ = now_ms;
  pollfd wait{fd_.get(), POLLOUT, 0};
  const bool writable = ::poll(&wait, 1, 0) > 0;
  if (writable && stalled_since_ms_ < 0) return true;
  if (!writable && stalled_since_ms_ < 0) {
    stalled_since_ms_ = now_ms;
    Rewatch(watched_);
    return !alive();
  }
  const int64_t waited = now_ms - stalled_since_ms_;
  if (!writable && waited < budget_ms_) return false;
  if (!writable) {
    Drop();
    return true;
  }
  budget_ms_ = std::max<int64_t>(0, budget_ms_ - waited);
  stalled_since_ms_ = -1;
  Rewatch(watched_);
  return true;
}

bool Client::LeftWhilePaused() const {
  if (!alive() || !input_paused_) return false;
  pollfd wait{fd_.get(), 0, 0};
  return ::poll(&wait, 1, 0) > 0 && (wait.revents & POLLHUP) != 0;
}

int64_t Client::StallEndMs() const {
  return alive() && stalled_since_ms_ >= 0 ? stalled_since_ms_ + budget_ms_ : INT64_MAX;
}

void Client::OnEvents(uint32_t events) {
  // A peer that left ends a stall, too; a paused client is not watched any more then.
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) (void)ReadyForOutput(NowMs());
  // Paused, by a client before this one in the same round, or a stalled one that left: what it sent
  // stays in its socket.
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || !alive() || input_paused_) return;
  char data[kMaxPacket_bytes];
  ssize_t n = ::recv(fd_.get(), data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);
  // Said once, before what the peer sent, when it left without reading all of ours.
  if (n < 0 && errno == ECONNRESET) {
    n = ::recv(fd_.get(), data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0 || static_cast<size_t>(n) > sizeof(data)) return Drop();
  const std::optional<Packet> packet = DecodePacket({data, static_cast<size_t>(n)});
  if (!packet) return Drop();
  owner_->OnPacket(this, *packet);
}

}  // namespace crisp::conmon
