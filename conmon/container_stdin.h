// ContainerStdin: the writing end of the container's stdin.
//
// Contract: never blocks. What the pipe does not take is kept (at most one packet), and until it is
//           gone blocked() is true and nothing more must be written: the clients wait in their
//           sockets. What is written all the same is kept behind it.
// Threads:  one.
#ifndef CRISP_CONMON_CONTAINER_STDIN_H_
#define CRISP_CONMON_CONTAINER_STDIN_H_

#include <string>
#include <string_view>

#include "base/core/unique_fd.h"
#include "conmon/poller.h"

namespace crisp::conmon {

class ContainerStdin final : public Poller::Handler {
 public:
  class Owner {
   public:
    virtual void OnStdinDrained() = 0;
    // Blocked, and nobody holds the terminal: not watched until Watch().
    virtual void OnStdinDeserted() = 0;

   protected:
    ~Owner() = default;
  };

  ContainerStdin(Poller* poller, Owner* owner) : poller_(poller), owner_(owner) {}

  void Take(UniqueFd fd) { fd_ = std::move(fd); }
  bool open() const { return fd_.valid() && !closing_; }
  int fd() const { return fd_.get(); }
  bool blocked() const { return !pending_.empty(); }

  // Discards when stdin is closed.
  void Write(std::string_view data);
  // Closes, after what is pending was taken.
  void Close();

  const std::string& pending() const { return pending_; }
  bool closing() const { return closing_; }
  void Restore(std::string pending, bool closing);
  // Only what is pending is waited for: a pipe without readers would wake us for ever.
  void Watch();
  void Unwatch();

  void OnEvents(uint32_t events) override;

 private:
  // The part of `data` that the pipe did not take; all is taken when it is broken.
  std::string_view TryWrite(std::string_view data);

  Poller* poller_;
  Owner* owner_;
  UniqueFd fd_;
  std::string pending_;
  bool closing_ = false;
  bool watched_ = false;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_CONTAINER_STDIN_H_
