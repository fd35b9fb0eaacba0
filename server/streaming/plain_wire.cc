#include <sys/socket.h>

#include "server/streaming/wire.h"

namespace crisp::streaming {
namespace {

using State = WireResult::State;

class PlainWire final : public Wire {
 public:
  explicit PlainWire(UniqueFd socket) : socket_(std::move(socket)) {}

  int fd() const override { return socket_.get(); }
  WireResult Handshake() override { return {}; }

  WireResult Read(char* data, size_t size) override {
    ssize_t n;
    do {
      n = ::recv(socket_.get(), data, size, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) return {State::kDone, static_cast<size_t>(n), {}};
    if (n == 0) return {State::kEnd, 0, {}};
    if (errno == EAGAIN) return {State::kAwaitRead, 0, {}};
    return {State::kFailed, 0, Errno("read from the client")};
  }

  WireResult Write(const iovec* parts, int count) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<size_t>(count);
    ssize_t n;
    do {
      n = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) return {State::kDone, static_cast<size_t>(n), {}};
    if (errno == EAGAIN) return {State::kAwaitWrite, 0, {}};
    return {State::kFailed, 0, Errno("write to the client")};
  }

  WireResult Flush() override { return {}; }

  WireResult CloseWrite() override {
    if (::shutdown(socket_.get(), SHUT_WR) == 0) return {};
    return {State::kFailed, 0, Errno("shutdown")};
  }

 private:
  UniqueFd socket_;
};

}  // namespace

std::unique_ptr<Wire> MakePlainWire(UniqueFd socket) {
  return std::make_unique<PlainWire>(std::move(socket));
}

}  // namespace crisp::streaming
