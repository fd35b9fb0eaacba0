#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/console_socket.h"
#include "conmon/client.h"

namespace crisp::conmon {
namespace {
constexpr size_t kMaxClients = 64;
constexpr int64_t kLastEventWait_ms = 1000;
constexpr useconds_t kNoResource_us = 5000;
}  // namespace

Status Clients::Listen(int state_dir_fd) {
  listener_ = CRISP_TRY(ListenUnix(state_dir_fd, kSocketName, SOCK_SEQPACKET));
  return WatchListener();
}

Status Clients::WatchListener() { return poller_->Add(listener_.get(), EPOLLIN, this); }

Result<Client*> Clients::Add(UniqueFd fd) {
  auto client = std::make_unique<Client>(std::move(fd), poller_, owner_);
  CRISP_RETURN_IF_ERROR(client->Watch());
  clients_.push_back(std::move(client));
  return clients_.back().get();
}

void Clients::OnEvents(uint32_t) {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  // Out of descriptors: the connection stays where it is, and must not keep us spinning.
  if (!fd && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) ::usleep(kNoResource_us);
  // Above the limit the new connection is closed at once: who holds 64 has lost count of them.
  if (!fd || clients_.size() >= kMaxClients) return;
  (void)Add(std::move(fd));
}

void Clients::SendEvent(MessageType type, std::string_view body) {
  for (const auto& client : clients_) {
    if (client->said_hello) client->Send(type, 0, body);
  }
}

void Clients::SendLastEvent(MessageType type, std::string_view body) {
  const int64_t deadline = NowMs() + kLastEventWait_ms;
  for (const auto& client : clients_) {
    if (!client->alive() || !client->said_hello) continue;
    pollfd wait{client->fd(), POLLOUT, 0};
    ::poll(&wait, 1, static_cast<int>(std::max<int64_t>(0, deadline - NowMs())));
    client->Send(type, 0, body);
  }
}

void Clients::SendOutput(MessageType type, std::string_view data) {
  const uint8_t stream =
      type == MessageType::kAttachStdout ? AttachBody::kStdout : AttachBody::kStderr;
  for (const auto& client : clients_) {
    if (!client->wants(stream)) continue;
    for (size_t at = 0; at < data.size() && client->alive(); at += kMaxBody_bytes) {
      client->Send(type, 0, data.substr(at, kMaxBody_bytes));
    }
  }
}

bool Clients::ReadyForOutput(int64_t now_ms) {
  bool ready = true;
  for (const auto& client : clients_) ready = client->ReadyForOutput(now_ms) && ready;
  return ready;
}

int64_t Clients::StallEndMs() const {
  int64_t end = INT64_MAX;
  for (const auto& client : clients_) end = std::min(end, client->StallEndMs());
  return end;
}

void Clients::PauseInput() {
  for (const auto& client : clients_) client->PauseInput();
}

void Clients::ResumeInput() {
  for (const auto& client : clients_) client->ResumeInput();
}

uint32_t Clients::CountAttached() const {
  return static_cast<uint32_t>(std::count_if(
      clients_.begin(), clients_.end(), [](const auto& c) { return c->alive() && c->attached(); }));
}

bool Clients::MakeRoomToAttach() {
  while (CountAttached() >= kMaxAttached) {
    const auto gone = std::find_if(clients_.begin(), clients_.end(),
                                   [](const auto& c) { return c->LeftWhilePaused(); });
    if (gone == clients_.end()) return false;
    (*gone)->Drop();
  }
  return true;
}

void Clients::Sweep() {
  std::erase_if(clients_, [](const auto& client) { return !client->alive(); });
}

}  // namespace crisp::conmon
