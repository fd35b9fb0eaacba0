// Monitor: the life of crisp-monitor, from the daemon's hello to the exit record.
//
// Contract: conmon/protocol.h; DESIGN section 4 "One monitor per container".
// Threads:  one, with everything in one Poller.
//
//   kWaiting --hello--> kCreating --runtime ok--> kCreated --PID 1 dead--> kDraining
//      |                    |                                                  | drained
//      | no daemon, 30 s    | runtime failed, shutdown, SIGTERM                v
//      v                    v                                              kExited
//    (end, code 1)        kCreateFailed, (end, code 1)                         | record written
//                                                                              v
//                                                                     kExit, (end, code 0)
// kExited with a record that cannot be written (full disk) tries again each second and goes on
// answering; a shutdown request ends it.
#ifndef CRISP_CONMON_MONITOR_H_
#define CRISP_CONMON_MONITOR_H_

#include <signal.h>
#include <sys/types.h>

#include <memory>
#include <string>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "conmon/client.h"
#include "conmon/oom_watch.h"
#include "conmon/options.h"
#include "conmon/poller.h"
#include "conmon/protocol.h"
#include "conmon/runtime_create.h"
#include "conmon/stdio.h"

namespace crisp::conmon {

inline constexpr std::string_view kProgram = "crisp-monitor " CRISP_VERSION;

class Monitor final : public ClientOwner, public OomWatch::Owner {
 public:
  explicit Monitor(Options options);

  // Takes the control connection, opens the state directory and becomes the subreaper.
  Status Prepare();
  // Until the end; the exit status of the process.
  int Run();

  void OnPacket(Client* client, const Packet& packet) override;
  void OnAttachInputEnd() override { stdio_.OnAttachInputEnd(); }
  void OnOomKill() override { clients_.SendEvent(MessageType::kOom); }

 private:
  friend class Handover;
  enum class State { kWaiting, kCreating, kCreated, kDraining, kExited, kEnded };
  class Signals final : public Poller::Handler {
   public:
    explicit Signals(Monitor* monitor) : monitor_(monitor) {}
    Status Open(Poller* poller);
    void OnEvents(uint32_t events) override;

   private:
    Monitor* monitor_;
    UniqueFd fd_;
  };

  Status PrepareProcess();
  Status WritePidFile();

  // Creation.
  void StartCreate();
  Status TryStartCreate();
  void OnRuntimeEnd(int wait_status);
  Status TryFinishCreate(int wait_status);
  void FailCreate(const Status& status);

  // The end.
  void OnChildren();
  void OnContainerEnd(const siginfo_t& end);
  void FinishExit();
  bool TryWriteRecord();
  void End(int exit_status);

  // Timers.
  int TimeoutMs() const;
  void OnTimers();

  // Requests (monitor_requests.cc).
  void OnHello(Client* client, const Packet& packet);
  Status OnResize(const Packet& packet);
  void OnStatus(Client* client, const Packet& packet);
  void OnAttach(Client* client, const Packet& packet);
  void OnShutdown(Client* client, const Packet& packet);
  void OnUpgrade(Client* client, const Packet& packet);
  void Unsupported(Client* client, const Packet& packet);

  Options options_;
  State state_ = State::kWaiting;
  UniqueFd state_dir_;
  Poller poller_;
  Clients clients_;
  Signals signals_;
  Stdio stdio_;
  OomWatch oom_;
  std::unique_ptr<RuntimeCreate> runtime_;
  bool confined_ = false;  // Confine() was called, by this program or by one that it replaced
  pid_t container_pid_ = 0;
  uint64_t container_start_time_ = 0;
  ExitRecord exit_;
  bool kept_ = false;  // the container's process, dead, was not collected
  int64_t hello_deadline_ms_ = 0;
  int64_t retry_at_ms_ = INT64_MAX;
  int exit_status_ = 0;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_MONITOR_H_
