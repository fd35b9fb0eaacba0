#include "image/pull/daemon_link.h"

#include <sys/socket.h>
#include <unistd.h>

namespace crisp::image {

Result<PullerRequest> DaemonLink::ReceiveRequest() {
  const std::optional<Json> message = CRISP_TRY(socket_.Receive());
  if (!message) return Cancelled("the daemon has closed the socket");
  return PullerRequestFromJson(*message);
}

DaemonLink::~DaemonLink() {
  if (!receiver_.joinable()) return;
  ending_ = true;
  ::shutdown(socket_.get(), SHUT_RD);
  receiver_.join();
}

void DaemonLink::StartReceiving() {
  receiver_ = std::thread([this] { ReceiveForEver(); });
}

void DaemonLink::ReceiveForEver() {
  for (;;) {
    const auto message = socket_.Receive();
    if (!message.ok() || !message->has_value()) {
      if (ending_) return;
      ::_exit(1);
    }
    const auto answer = LayerAnswerFromJson(**message);
    if (!answer.ok()) ::_exit(1);
    std::lock_guard lock(handler_mutex_);
    if (handler_) handler_(*answer);
  }
}

Status DaemonLink::Send(const Json& message) {
  std::lock_guard lock(send_mutex_);
  return socket_.Send(message);
}

void DaemonLink::SetAnswerHandler(AnswerHandler handler) {
  std::lock_guard lock(handler_mutex_);
  handler_ = std::move(handler);
}

}  // namespace crisp::image
