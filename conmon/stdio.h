// Stdio: everything between the container's descriptors, its log and the attached clients.
//
// What:    makes the pipes, takes the terminal, reads output (log first in order, then nobody
//          waits: see client.h for slow readers), feeds stdin, and drains what is left after PID 1
//          died.
// Contract: cri-contract section 10 (log) and streaming.md section 6.6 (attach).
// Threads: one.
// Units:   milliseconds of CLOCK_MONOTONIC.
//
//   kCreating --Begin--> kRunning --BeginDrain--> kDraining --drained()--> FinishDrain
#ifndef CRISP_CONMON_STDIO_H_
#define CRISP_CONMON_STDIO_H_

#include <cstdint>

#include "base/core/result.h"
#include "conmon/client.h"
#include "conmon/container_stdin.h"
#include "conmon/log_file.h"
#include "conmon/options.h"
#include "conmon/output_stream.h"
#include "conmon/poller.h"
#include "conmon/runtime_create.h"
#include "conmon/scratch.h"

namespace crisp::conmon {

class Stdio final : public OutputStream::Owner, public ContainerStdin::Owner {
 public:
  Stdio(const Options* options, Poller* poller, Clients* clients);

  Status OpenLog() { return log_.Open(options_->log_path, options_->log_directory); }
  // The runtime's ends; ours go to `runtime` as diagnosis until Begin().
  Result<ChildStdio> MakePipes(RuntimeCreate* runtime);
  // The container is created: from here on what is read is its output. `terminal`: the pty master,
  // or empty.
  Status Begin(UniqueFd terminal);

  // PID 1 is dead. Others may hold the pipes for ever (a host PID namespace), so what follows has
  // limits: 100 ms without output, 2 s in all.
  void BeginDrain();
  bool drained() const;
  void FinishDrain();

  Status Resize(uint16_t columns, uint16_t rows);
  Status ReopenLog() { return log_.Reopen(); }
  // An attach client's input, and its end.
  void WriteInput(std::string_view data);
  void OnAttachInputEnd();
  Status CloseInput();

  // When OnTimer() wants to run next; INT64_MAX: not at all.
  int64_t DeadlineMs() const;
  void OnTimer(int64_t now_ms);

  const LogFile& log() const { return log_; }
  bool stdin_open() const { return stdin_.open(); }
  bool input_blocked() const { return stdin_.blocked(); }

  void OnReadable(OutputStream* stream) override;
  void OnData(MessageType type, std::string_view data) override {
    clients_->SendOutput(type, data);
  }
  void OnStdinDrained() override { clients_->ResumeInput(); }
  void OnStdinDeserted() override;

 private:
  friend class Handover;  // upgrade: carries the state to the next program
  enum class Phase { kCreating, kRunning, kDraining };
  Status GiveToContainer(const ChildStdio& child) const;
  Status Watch(OutputStream* stream);
  void Unwatch(OutputStream* stream);
  void EndStream(OutputStream* stream);
  void Pause();
  void ResumeIfReady(int64_t now_ms);
  void Rest(int64_t now_ms);
  void LookAgain(int64_t now_ms);
  void Diagnose(OutputStream* stream);
  void Gather(OutputStream* stream);
  void RestartIdle();
  int64_t IdleMs() const;
  void OnIdle(int64_t now_ms);

  const Options* options_;
  Poller* poller_;
  Clients* clients_;
  RuntimeCreate* runtime_ = nullptr;
  Phase phase_ = Phase::kCreating;
  LogFile log_;
  Scratch scratch_;
  OutputStream out_;
  OutputStream err_;
  ContainerStdin stdin_;
  bool paused_ = false;  // a client's socket is full
  int64_t last_read_us_ = 0;
  bool gathering_ = false;
  int64_t rest_ms_ = 0;  // of a terminal that nobody holds; 0: it is held, or gave output
  int64_t rest_end_ms_ = INT64_MAX;
  int64_t quiet_end_ms_ = 0;
  int64_t drain_end_ms_ = 0;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_STDIO_H_
