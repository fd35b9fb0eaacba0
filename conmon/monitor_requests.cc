#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "conmon/monitor.h"

namespace crisp::conmon {

void Monitor::OnPacket(Client* client, const Packet& packet) {
  const uint16_t version = packet.header.version;
  if (packet.is(MessageType::kHello)) return OnHello(client, packet);
  if (version < kProtocolMin || version > kProtocolMax) return Unsupported(client, packet);
  const uint32_t request = packet.header.request;
  switch (static_cast<MessageType>(packet.header.type)) {
    case MessageType::kReopenLog:
      return client->Answer(request, stdio_.ReopenLog());
    case MessageType::kResize:
      return client->Answer(request, OnResize(packet));
    case MessageType::kStatus:
      return OnStatus(client, packet);
    case MessageType::kCloseStdin:
      return client->Answer(request, stdio_.CloseInput());
    case MessageType::kAttach:
      return OnAttach(client, packet);
    case MessageType::kShutdown:
      return OnShutdown(client, packet);
    case MessageType::kUpgrade:
      return OnUpgrade(client, packet);
    case MessageType::kAttachStdin:
      if (client->wants(AttachBody::kStdin) && !client->input_ended()) {
        stdio_.WriteInput(packet.body);
      }
      return;
    case MessageType::kAttachStdinEof:
      return client->EndInput();
    default:
      return Unsupported(client, packet);
  }
}

void Monitor::Unsupported(Client* client, const Packet& packet) {
  UnsupportedBody body;
  body.type = packet.header.type;
  client->Send(MessageType::kUnsupported, packet.header.request, body.Encode());
}

void Monitor::OnHello(Client* client, const Packet& packet) {
  const std::optional<HelloBody> hello = HelloBody::Decode(packet.body);
  if (!hello) return client->Drop();
  const uint16_t version = std::min(hello->max, kProtocolMax);
  if (version < hello->min || version < kProtocolMin) return Unsupported(client, packet);
  client->said_hello = true;
  HelloBody answer;
  answer.min = answer.max = version;
  answer.program = kProgram;
  client->Send(MessageType::kHelloAck, packet.header.request, answer.Encode());
  if (state_ == State::kWaiting) return StartCreate();
  if (state_ == State::kExited) client->Send(MessageType::kExit, 0, exit_.Encode());
}

Status Monitor::OnResize(const Packet& packet) {
  const std::optional<ResizeBody> body = ResizeBody::Decode(packet.body);
  if (!body) return InvalidArgument("resize: malformed request");
  return stdio_.Resize(body->columns, body->rows);
}

void Monitor::OnStatus(Client* client, const Packet& packet) {
  StatusBody body;
  switch (state_) {
    case State::kWaiting:
    case State::kCreating:
      body.state = MonitorState::kCreating;
      break;
    case State::kCreated:
      body.state = MonitorState::kCreated;
      break;
    case State::kDraining:
      body.state = MonitorState::kDraining;
      break;
    case State::kExited:
    case State::kEnded:
      body.state = MonitorState::kExited;
      break;
  }
  body.stdin_open = stdio_.stdin_open() ? 1 : 0;
  body.terminal = options_.terminal ? 1 : 0;
  body.oom_watched = oom_.watching() ? 1 : 0;
  body.monitor_pid = ::getpid();
  body.container_pid = container_pid_;
  body.container_start_time = container_start_time_;
  body.logged_bytes = stdio_.log().logged_bytes();
  body.dropped_bytes = stdio_.log().dropped_bytes();
  body.oom_kills = oom_.kills();
  body.attached = clients_.CountAttached();
  body.program = kProgram;
  client->Send(MessageType::kStatusReport, packet.header.request, body.Encode());
}

void Monitor::OnAttach(Client* client, const Packet& packet) {
  const uint32_t request = packet.header.request;
  const std::optional<AttachBody> body = AttachBody::Decode(packet.body);
  if (!body) return client->Answer(request, InvalidArgument("attach: no stream was asked for"));
  if (client->attached()) {
    return client->Answer(request, AlreadyExists("attach: this connection is attached already"));
  }
  if (state_ != State::kCreated && state_ != State::kDraining) {
    return client->Answer(request, FailedPrecondition("attach: the container is not running"));
  }
  if (!clients_.MakeRoomToAttach()) {
    return client->Answer(request, ResourceExhausted("attach: ", Clients::kMaxAttached,
                                                     " clients are attached already"));
  }
  client->said_hello = true;  // an attach client wants kExit
  client->Answer(request, OkStatus());
  client->Attach(body->streams);
  if (stdio_.input_blocked()) client->PauseInput();
}

void Monitor::OnShutdown(Client* client, const Packet& packet) {
  client->Answer(packet.header.request, OkStatus());
  if (state_ <= State::kCreating) return FailCreate(Cancelled("shutdown was asked for"));
  if (state_ == State::kCreated) {
    ::kill(container_pid_, SIGKILL);  // our unreaped child: the pid is its own
  } else if (state_ == State::kExited) {
    End(0);
  }
}

}  // namespace crisp::conmon
