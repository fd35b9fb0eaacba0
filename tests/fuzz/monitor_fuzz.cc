// Messages between crispd and its monitors through real sockets, at both ends: whole ones arrive as
// they were sent, and what is too short or too long ends the connection.
#include <sys/epoll.h>
#include <sys/socket.h>

#include "conmon/client.h"
#include "conmon/protocol.h"
#include "fuzz.h"
#include "oci/attach_connection.h"
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

// The next message in an input: two bytes of length, and so many bytes, or what there is.
std::string_view TakeFrame(std::string_view* input) {
  const size_t wanted = static_cast<unsigned char>((*input)[0]) |
                        static_cast<size_t>(static_cast<unsigned char>((*input)[1])) << 8;
  input->remove_prefix(2);
  const std::string_view frame = input->substr(0, wanted);
  input->remove_prefix(frame.size());
  return frame;
}

bool IsWhole(std::string_view frame) {
  return frame.size() >= kHeaderSize && frame.size() <= kMaxPacket_bytes;
}

using Attached = oci::AttachConnection::Event;

// What a client is to learn of a message by its type, the two bytes behind the version.
Attached EventOf(std::string_view frame) {
  const int type = static_cast<unsigned char>(frame[2]) | static_cast<unsigned char>(frame[3]) << 8;
  return type == 112   ? Attached::kStdout
         : type == 113 ? Attached::kStderr
         : type == 99  ? Attached::kExit
                       : Attached::kNothing;
}

void CheckInput(oci::AttachConnection* connection, const UniqueFd& peer, std::string_view typed) {
  const auto taken = connection->SendStdin(typed);
  CRISP_REQUIRE(taken.ok() && *taken <= typed.size());
  std::string arrived;
  while (arrived.size() < *taken) {
    const auto packet = oci::ReceivePacket(peer.get());
    CRISP_REQUIRE(packet.ok() && packet->packet().is(MessageType::kAttachStdin));
    arrived += packet->packet().body;
  }
  CRISP_REQUIRE(arrived == typed.substr(0, *taken));
}

}  // namespace

// A byte with the streams of an attached client, then messages.
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
    const std::string_view frame = TakeFrame(&input);
    const bool whole = IsWhole(frame);

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

// A byte that says how many messages of no interest come before each other one, then messages. The
// last word is this target's: the exit, from a monitor that has not read its input.
CRISP_FUZZ(attach_messages) {
  if (input.empty()) return;
  const int others = static_cast<unsigned char>(input[0]) % 80;
  input.remove_prefix(1);
  Ends ends = MakePair();
  oci::AttachConnection connection(std::move(ends.ours));
  CheckInput(&connection, ends.peer, input.substr(0, size_t{3} * kMaxBody_bytes));
  const auto next_behind_others = [&](std::string_view frame) {
    for (int i = 0; i < others; ++i) {
      CRISP_REQUIRE(SendFrame(ends.peer, EncodePacket(MessageType::kOom, 0)));
    }
    CRISP_REQUIRE(SendFrame(ends.peer, frame));
    auto received = connection.Receive();  // 32 of no interest at a time
    for (int i = 0; i < others / 32 && received.ok(); ++i) {
      CRISP_REQUIRE(received->event == Attached::kNothing);
      received = connection.Receive();
    }
    return received;
  };

  while (input.size() >= 2) {
    const std::string_view frame = TakeFrame(&input);
    const auto received = next_behind_others(frame);
    if (!IsWhole(frame)) {
      CRISP_REQUIRE(received.status().code() ==
                    (frame.empty() ? Code::kUnavailable : Code::kDataLoss));
      return;
    }
    CRISP_REQUIRE(received.ok() && received->event == EventOf(frame));
    const bool output =
        received->event == Attached::kStdout || received->event == Attached::kStderr;
    CRISP_REQUIRE(received->data == (output ? frame.substr(kHeaderSize) : std::string_view()));
    CRISP_REQUIRE(connection.Receive()->event == Attached::kNothing);
  }
  CRISP_REQUIRE(*connection.EndStdin());
  CRISP_REQUIRE(SendFrame(ends.peer, EncodePacket(MessageType::kExit, 0)));
  ends.peer.Reset();
  CRISP_REQUIRE(connection.Receive()->event == Attached::kExit);
  CRISP_REQUIRE(connection.Receive().status().code() == Code::kUnavailable);
  CRISP_REQUIRE(connection.SendStdin("x").status().code() == Code::kUnavailable);
}

}  // namespace crisp::conmon
