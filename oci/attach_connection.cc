#include "oci/attach_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "conmon/protocol.h"
#include "oci/monitor_connection.h"
#include "oci/monitor_files.h"

namespace crisp::oci {
namespace {

using conmon::AttachBody;
using conmon::MessageType;

constexpr uint32_t kHelloRequest = 1;
constexpr uint32_t kAttachRequest = 2;
constexpr uint32_t kResizeRequest = 3;
// Messages of no interest that one Receive() reads.
constexpr int kMaxOthers = 32;
constexpr auto kConnectAgain = std::chrono::milliseconds(10);

// Waits while the backlog is full: its monitor is busy, or somebody has stopped it. The kernel
// tells of no room there.
Result<UniqueFd> Connect(const std::string& state_dir, MonoTime deadline) {
  for (;;) {
    auto connected = ConnectToMonitor(state_dir);
    if (connected.status().sys_errno() != EAGAIN) {
      if (connected.status().code() != Code::kUnavailable) return connected;
      return std::move(connected).status().WithCode(Code::kNotFound);
    }
    if (MonoNow() >= deadline) return DeadlineExceeded("the container's monitor does not answer");
    std::this_thread::sleep_for(kConnectAgain);
  }
}

// Waits for the answer to kAttach. What else comes before it is the answer to kHello, or events.
Status AwaitAttached(int fd, MonoTime deadline) {
  for (;;) {
    auto received = ReceivePacket(fd);
    if (!received.ok()) {
      if (received.status().code() != Code::kNotFound) return std::move(received).status();
      pollfd wait{fd, POLLIN, 0};
      if (::poll(&wait, 1, PollTimeoutMs(deadline)) == 0) {
        return DeadlineExceeded("the container's monitor does not answer");
      }
      continue;
    }
    const conmon::Packet packet = received->packet();
    if (packet.is(MessageType::kUnsupported)) {
      return Unimplemented("the container's monitor is of a version that knows no attach");
    }
    if (packet.is(MessageType::kExit)) return FailedPrecondition("the container has exited");
    if (packet.header.request != kAttachRequest) continue;
    if (packet.is(MessageType::kOk)) return OkStatus();
    return StatusFromError(packet.body);
  }
}

// False: the socket is full.
Result<bool> TrySend(int fd, MessageType type, uint32_t request, std::string_view body) {
  std::string header = conmon::EncodePacket(type, request);
  iovec parts[] = {{header.data(), header.size()}, {const_cast<char*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  for (;;) {
    if (::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
    if (errno == EAGAIN) return false;
    if (errno != EINTR) return Errno("send to monitor").WithCode(Code::kUnavailable);
  }
}

}  // namespace

Result<std::unique_ptr<AttachConnection>> AttachConnection::Open(const std::string& state_dir,
                                                                 Streams streams,
                                                                 MonoTime deadline) {
  AttachBody body;
  if (streams.stdin_open) body.streams |= AttachBody::kStdin;
  if (streams.stdout_open) body.streams |= AttachBody::kStdout;
  if (streams.stderr_open) body.streams |= AttachBody::kStderr;
  if (body.streams == 0) return InvalidArgument("attach: no stream was asked for");
  UniqueFd fd = CRISP_TRY(Connect(state_dir, deadline));
  conmon::HelloBody hello;
  hello.program = "crispd";
  CRISP_RETURN_IF_ERROR(
      SendPacket(fd.get(), MessageType::kHello, kHelloRequest, hello.Encode(), deadline));
  CRISP_RETURN_IF_ERROR(
      SendPacket(fd.get(), MessageType::kAttach, kAttachRequest, body.Encode(), deadline));
  CRISP_RETURN_IF_ERROR(AwaitAttached(fd.get(), deadline));
  return std::make_unique<AttachConnection>(std::move(fd));
}

Result<AttachConnection::Received> AttachConnection::Receive() {
  buffer_.resize(conmon::kMaxPacket_bytes);
  for (int resets = 0, others = 0; others < kMaxOthers;) {
    const ssize_t n = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && errno == EINTR) continue;
    // Said once when the monitor ended with input unread; what it sent is still there.
    if (n < 0 && errno == ECONNRESET && resets++ == 0) continue;
    if (n < 0 && errno == EAGAIN) return Received{};
    if (n <= 0) {
      return Unavailable("this client was too slow and was cut off, or the monitor has ended");
    }
    // The kernel has thrown the rest away (MSG_TRUNC tells its size): what is here is not all.
    if (static_cast<size_t>(n) > buffer_.size()) return DataLoss("oversized message");
    const auto packet =
        conmon::DecodePacket(std::string_view(buffer_).substr(0, static_cast<size_t>(n)));
    if (!packet) return DataLoss("malformed message from the monitor");
    if (packet->is(MessageType::kAttachStdout)) return Received{Event::kStdout, packet->body};
    if (packet->is(MessageType::kAttachStderr)) return Received{Event::kStderr, packet->body};
    if (packet->is(MessageType::kExit)) return Received{Event::kExit, {}};
    ++others;  // answers to kResize and other events are of no interest here
  }
  return Received{};  // the socket is still readable
}

Result<size_t> AttachConnection::SendStdin(std::string_view data) {
  size_t taken = 0;
  while (taken < data.size()) {
    const std::string_view piece = data.substr(taken, conmon::kMaxBody_bytes);
    if (!CRISP_TRY(TrySend(fd_.get(), MessageType::kAttachStdin, 0, piece))) break;
    taken += piece.size();
  }
  return taken;
}

Result<bool> AttachConnection::EndStdin() {
  return TrySend(fd_.get(), MessageType::kAttachStdinEof, 0, {});
}

Result<bool> AttachConnection::Resize(uint16_t columns, uint16_t rows) {
  conmon::ResizeBody body;
  body.columns = columns;
  body.rows = rows;
  return TrySend(fd_.get(), MessageType::kResize, kResizeRequest, body.Encode());
}

}  // namespace crisp::oci
