// Messages between crispd and its monitors through real sockets, at both ends: whole ones arrive as
// they were sent, and what is too short or too long ends the connection.
#include <sys/epoll.h>
#include <sys/socket.h>

#include "conmon/client.h"
#include "conmon/protocol.h"
#include "fuzz.h"
#include "oci/monitor_connection.h"

namespace crisp::conmon {
namespace {

struct Ends {
  UniqueFd ours;
  UniqueFd peer;
};
Ends MakePair() {
  int fds[2];
  CRISP_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

class Owner final : public ClientOwner {
 public:
  void OnPacket(Client*, const Packet& packet) override {
    ++packets;
    last = packet.header;
    body = packet.body;
  }
  void OnAttachInputEnd() override { ++input_ends; }

  int packets = 0;
  int input_ends = 0;
  Header last;
  std::string body;
};

bool SendFrame(const UniqueFd& fd, std::string_view frame) {
  return ::send(fd.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
         static_cast<ssize_t>(frame.size());
}

// What one end says of a failure is what the other one reads.
void CheckAnswer(Client* client, const UniqueFd& peer, uint32_t request, std::string_view body) {
  const Status failure = oci::StatusFromError(body);
  CRISP_REQUIRE(!failure.ok() && static_cast<int>(failure.code()) <= 16);
  client->Answer(request, failure);
  const auto answer = oci::ReceivePacket(peer.get());
  CRISP_REQUIRE(answer.ok() && answer->packet().is(MessageType::kError));
  CRISP_REQUIRE(answer->packet().header.request == request);
  const Status again = oci::StatusFromError(answer->packet().body);
  CRISP_REQUIRE(again.code() == failure.code() && again.sys_errno() == failure.sys_errno());
  CRISP_REQUIRE(failure.message().starts_with(again.message()));
}

}  // namespace

// A byte with the streams of an attached client, then messages: two bytes of length, and so many
// bytes, or what there is.
CRISP_FUZZ(monitor_frames) {
  if (input.empty()) return;
  const auto streams = static_cast<uint8_t>(input[0] & 7);
  input.remove_prefix(1);
  static Poller poller;
  static const bool opened = poller.Open().ok();
  CRISP_REQUIRE(opened);
  Owner owner;
  Ends monitor = MakePair(), daemon = MakePair();
  Client client(std::move(monitor.ours), &poller, &owner);
  CRISP_REQUIRE(client.Watch().ok());
  if (streams != 0) client.Attach(streams);

  for (int sent = 0; input.size() >= 2 && client.alive(); ++sent) {
    const size_t wanted = static_cast<unsigned char>(input[0]) |
                          static_cast<size_t>(static_cast<unsigned char>(input[1])) << 8;
    input.remove_prefix(2);
    const std::string_view frame = input.substr(0, wanted);
    input.remove_prefix(frame.size());
    const bool whole = frame.size() >= kHeaderSize && frame.size() <= kMaxPacket_bytes;

    CRISP_REQUIRE(SendFrame(monitor.peer, frame) && SendFrame(daemon.peer, frame));
    client.OnEvents(EPOLLIN);
    CRISP_REQUIRE(owner.packets == (whole ? sent + 1 : sent) && client.alive() == whole);
    const auto received = oci::ReceivePacket(daemon.ours.get());
    CRISP_REQUIRE(received.ok() == whole);
    if (!whole) {
      CRISP_REQUIRE(received.status().code() ==
                    (frame.empty() ? Code::kUnavailable : Code::kDataLoss));
      break;
    }
    const Packet packet = received->packet();
    CRISP_REQUIRE(received->bytes == frame && packet.body == owner.body);
    CRISP_REQUIRE(packet.header.version == owner.last.version);
    CRISP_REQUIRE(packet.header.type == owner.last.type);
    CRISP_REQUIRE(packet.header.request == owner.last.request);
    CheckAnswer(&client, monitor.peer, packet.header.request, packet.body);
  }
  CRISP_REQUIRE(oci::ReceivePacket(daemon.ours.get()).status().code() == Code::kNotFound);
  client.Drop();
  CRISP_REQUIRE(!client.alive() && owner.input_ends == (streams & AttachBody::kStdin));
}

}  // namespace crisp::conmon
