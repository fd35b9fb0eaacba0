// OutputStream: one of the container's output pipes (or its pty) on its way to log and clients.
//
// Threads: one.
// An unfinished line is kept here between reads, so that records do not depend on how the container
// cut its writes; it is the only thing that is lost when the monitor is killed. After a quiet
// moment (OnIdle) it is logged: who looks at the log of a program that waits wants to see its
// question.
#ifndef CRISP_CONMON_OUTPUT_STREAM_H_
#define CRISP_CONMON_OUTPUT_STREAM_H_

#include <string>
#include <string_view>

#include "base/core/unique_fd.h"
#include "conmon/line_formatter.h"
#include "conmon/log_file.h"
#include "conmon/poller.h"
#include "conmon/protocol.h"
#include "conmon/scratch.h"

namespace crisp::conmon {

class OutputStream final : public Poller::Handler {
 public:
  // The attached clients, and whoever decides when to read.
  class Owner {
   public:
    virtual void OnReadable(OutputStream* stream) = 0;
    virtual void OnData(MessageType type, std::string_view data) = 0;

   protected:
    ~Owner() = default;
  };
  // kDeserted: no process holds the terminal open now; one may again.
  enum class Outcome { kData, kNothing, kDeserted, kEnd };

  // `type`: kAttachStdout or kAttachStderr; it names the stream in the log too.
  OutputStream(MessageType type, size_t line_limit, Owner* owner)
      : type_(type),
        formatter_(type == MessageType::kAttachStdout ? "stdout" : "stderr", line_limit),
        owner_(owner) {}

  void Take(UniqueFd fd) { fd_ = std::move(fd); }
  bool open() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }

  // One read(2), formatted, logged and given to the owner. After kEnd call End().
  Outcome ReadOnce(Scratch* scratch, LogFile* log);
  // Closes the descriptor and logs the unfinished line with tag P.
  void End(Scratch* scratch, LogFile* log);
  // Makes the pipe hold more, until OnIdle: a writer of a torrent need not stop when we are late.
  void Widen();
  // Nothing has come for a while: logs the unfinished line with tag P, and gives memory back.
  void OnIdle(Scratch* scratch, LogFile* log);

  size_t last_read_bytes() const { return last_read_bytes_; }
  const std::string& unfinished_line() const { return carry_; }
  void RestoreUnfinishedLine(std::string line) { carry_ = std::move(line); }

  void OnEvents(uint32_t) override { owner_->OnReadable(this); }
  // Kept by the owner: whether it is in the poller, and when it will have been quiet for long
  // enough (milliseconds of CLOCK_MONOTONIC).
  bool watched = false;
  int64_t idle_at_ms = 0;

 private:
  void LogUnfinished(Scratch* scratch, LogFile* log);

  MessageType type_;
  LineFormatter formatter_;
  Owner* owner_;
  UniqueFd fd_;
  std::string carry_;
  size_t last_read_bytes_ = 0;
  bool wide_ = false;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_OUTPUT_STREAM_H_
