// CancelToken: how a waiting call learns that its client is gone or that the daemon stops.
//
// What:    a CancelSource is held by whoever may cancel (the RPC layer); tokens are given down.
//          fd() becomes readable on cancellation, so a poll(2) can include it.
// Threads: all methods may be called from any thread.
// A default-made token is never cancelled.
#ifndef CRISP_BASE_CORE_CANCEL_H_
#define CRISP_BASE_CORE_CANCEL_H_

#include <atomic>
#include <memory>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

class CancelToken {
 public:
  CancelToken() = default;
  bool cancelled() const;
  // The deadline that the client gave, or NoDeadline().
  MonoTime deadline() const;
  // Readable once cancelled; -1 for a token that cannot be cancelled.
  int fd() const;
  // kCancelled, or kDeadlineExceeded when the deadline has passed; OK while neither is so.
  Status Check() const;

 private:
  friend class CancelSource;
  struct State {
    std::atomic<bool> cancelled{false};
    MonoTime deadline = NoDeadline();
    UniqueFd event;
  };
  std::shared_ptr<State> state_;
};

class CancelSource {
 public:
  explicit CancelSource(MonoTime deadline = NoDeadline());
  void Cancel();
  CancelToken token() const { return token_; }

 private:
  CancelToken token_;
};

}  // namespace crisp

#endif  // CRISP_BASE_CORE_CANCEL_H_
