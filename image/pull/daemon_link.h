// DaemonLink: crisp-pull's end of the socket to the daemon.
//
// Threads: Send from any thread; a thread of its own receives. When the daemon closes the socket
//          (it died, or does not want the pull any more) the process ends at once: nobody is left
//          to clean up for, and the daemon removes the directory.
#ifndef CRISP_IMAGE_PULL_DAEMON_LINK_H_
#define CRISP_IMAGE_PULL_DAEMON_LINK_H_

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "base/core/result.h"
#include "image/puller_protocol.h"

namespace crisp::image {

class DaemonLink {
 public:
  using AnswerHandler = std::function<void(const LayerAnswer&)>;

  explicit DaemonLink(UniqueFd fd) : socket_(std::move(fd)) {}
  ~DaemonLink();

  Result<PullerRequest> ReceiveRequest();
  // After ReceiveRequest, once.
  void StartReceiving();
  Status Send(const Json& message);
  // Answers go to `handler` until it is replaced; a null one drops them.
  void SetAnswerHandler(AnswerHandler handler);

 private:
  void ReceiveForEver();

  FrameSocket socket_;
  std::thread receiver_;
  std::atomic<bool> ending_{false};
  std::mutex send_mutex_;
  std::mutex handler_mutex_;  // held while the handler runs
  AnswerHandler handler_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_DAEMON_LINK_H_
