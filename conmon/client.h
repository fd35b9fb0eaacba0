// Client: one connection to the monitor; Clients: all of them and the socket they come from.
//
// What:    receiving requests, sending answers and events, the output of attach sessions with its
//          bound for slow readers.
// Contract: conmon/protocol.h. Sending never blocks: a client whose socket is full is dropped. So
//          that a reader who is merely busy is not, the monitor asks ReadyForOutput() before it
//          reads from the container: while a client's socket is full that waits, but all the
//          waiting for one client is bounded: kStallBudget, regained at a twentieth of the time
//          that passes. A container is thus slowed down by at most 5 % for long, and never stopped.
// Threads:  one. Clients are destroyed in Sweep() only, so that handlers may drop any of them.
#ifndef CRISP_CONMON_CLIENT_H_
#define CRISP_CONMON_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "conmon/poller.h"
#include "conmon/protocol.h"

namespace crisp::conmon {

// Milliseconds of CLOCK_MONOTONIC.
int64_t NowMs();

class Client;

class ClientOwner {
 public:
  virtual void OnPacket(Client* client, const Packet& packet) = 0;
  // The input of an attach client with stdin ended: by message or with its connection.
  virtual void OnAttachInputEnd() = 0;

 protected:
  ~ClientOwner() = default;
};

class Client final : public Poller::Handler {
 public:
  Client(UniqueFd fd, Poller* poller, ClientOwner* owner)
      : fd_(std::move(fd)), poller_(poller), owner_(owner) {}
  ~Client();

  Status Watch();
  void Send(MessageType type, uint32_t request, std::string_view body = {});
  // Answers with kOk, or kError made from `status`.
  void Answer(uint32_t request, const Status& status);
  void Drop();
  bool alive() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }

  void Attach(uint8_t streams);
  bool attached() const { return streams_ != 0; }
  bool wants(uint8_t stream) const { return (streams_ & stream) != 0; }
  // For attach clients with stdin: stops and resumes reading from the socket.
  void PauseInput();
  void ResumeInput();
  void EndInput();
  // Its peer went away while the input was paused. That is not noticed before the input resumes.
  bool LeftWhilePaused() const;

  // See the head of this file. False while this client's socket is full.
  bool ReadyForOutput(int64_t now_ms);
  // When a stalled client has used up its budget; INT64_MAX when it is not stalled.
  int64_t StallEndMs() const;

  // Events go to those who said hello.
  bool said_hello = false;

  uint8_t streams() const { return streams_; }
  bool input_ended() const { return input_ended_; }
  void Restore(bool hello, uint8_t streams, bool input_ended);

  void OnEvents(uint32_t events) override;

 private:
  uint32_t Interest() const;
  void Rewatch(uint32_t before);

  UniqueFd fd_;
  Poller* poller_;
  ClientOwner* owner_;
  uint8_t streams_ = 0;  // AttachBody bits
  bool input_paused_ = false;
  bool input_ended_ = false;
  bool peer_gone_ = false;  // nothing can be sent any more
  uint32_t watched_ = 0;
  int64_t stalled_since_ms_ = -1;
  int64_t budget_ms_ = 0;
  int64_t budget_at_ms_ = 0;
};

class Clients final : public Poller::Handler {
 public:
  // Fewer than there may be connections, so that one with a request always finds room.
  static constexpr size_t kMaxAttached = 56;

  Clients(Poller* poller, ClientOwner* owner) : poller_(poller), owner_(owner) {}

  Status Listen(int state_dir_fd);
  void TakeListener(UniqueFd fd) { listener_ = std::move(fd); }
  Status WatchListener();
  int listener_fd() const { return listener_.get(); }
  Result<Client*> Add(UniqueFd fd);

  void SendEvent(MessageType type, std::string_view body = {});
  // The last event: waits for full sockets, up to a second in all.
  void SendLastEvent(MessageType type, std::string_view body);
  // To attach clients of that stream, in packets.
  void SendOutput(MessageType type, std::string_view data);
  bool ReadyForOutput(int64_t now_ms);
  int64_t StallEndMs() const;
  void PauseInput();
  void ResumeInput();
  uint32_t CountAttached() const;
  // False: kMaxAttached clients are attached. Those of them who left while the input was paused
  // make room, the oldest first; what they had sent and nobody read is lost then.
  bool MakeRoomToAttach();
  // Destroys what was dropped.
  void Sweep();

  const std::vector<std::unique_ptr<Client>>& all() const { return clients_; }
  void OnEvents(uint32_t events) override;

 private:
  Poller* poller_;
  ClientOwner* owner_;
  UniqueFd listener_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_CLIENT_H_
