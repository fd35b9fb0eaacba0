// MonitorConnection: one socket to one monitor, requests from any thread and events on the loop.
//
// Contract: conmon/protocol.h.
// Threads:  Call() blocks its caller up to its deadline and must not run on the loop thread; the
//           handlers run on the loop thread, without a lock held. Close() from any thread.
// Errors:   kUnavailable: the connection is closed; kDeadlineExceeded; kUnimplemented: an old
// monitor
//           that does not know the request; else the monitor's own code and text.
#ifndef CRISP_OCI_MONITOR_CONNECTION_H_
#define CRISP_OCI_MONITOR_CONNECTION_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/core/clock.h"
#include "base/core/epoll_loop.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "conmon/protocol.h"

namespace crisp::oci {

// One packet as received; an empty body view never dangles: the bytes are held.
struct ReceivedPacket {
  std::string bytes;
  conmon::Packet packet() const { return *conmon::DecodePacket(bytes); }
};

// recv(2) without blocking: a packet; kUnavailable at the end of the connection; kNotFound when
// nothing is there; kDataLoss for bytes that are no packet.
Result<ReceivedPacket> ReceivePacket(int fd);
// kUnavailable when the peer is gone; waits for room up to the deadline.
Status SendPacket(int fd, conmon::MessageType type, uint32_t request, std::string_view body,
                  MonoTime deadline);
// The Status in a kError or kCreateFailed body.
Status StatusFromError(std::string_view body);

class MonitorConnection : public std::enable_shared_from_this<MonitorConnection> {
 public:
  struct Handlers {
    std::function<void(const conmon::Packet&)> on_event;  // packets with request 0
    std::function<void()> on_closed;                      // once; not after Close()
  };

  MonitorConnection(UniqueFd fd, EpollLoop* loop) : fd_(std::move(fd)), loop_(loop) {}
  ~MonitorConnection();

  Status Start(Handlers handlers);
  // Sends and waits for the answer; its body where it has one.
  Result<std::string> Call(conmon::MessageType type, std::string_view body, MonoTime deadline);
  // Sends without an answer being waited for (request 0).
  Status Post(conmon::MessageType type, std::string_view body = {});
  void Close();

 private:
  struct Slot {
    bool done = false;
    ReceivedPacket answer;
  };
  void OnReadable();
  void Route(ReceivedPacket received);
  bool MarkClosed();

  UniqueFd fd_;
  EpollLoop* loop_;
  Handlers handlers_;  // set once by Start

  std::mutex mutex_;  // guards what follows
  std::condition_variable answered_;
  std::unordered_map<uint32_t, Slot> waiting_;
  EpollLoop::WatchId watch_ = 0;
  uint32_t next_request_ = 1;
  bool closed_ = false;
};

}  // namespace crisp::oci

#endif  // CRISP_OCI_MONITOR_CONNECTION_H_
