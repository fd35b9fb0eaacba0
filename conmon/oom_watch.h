// OomWatch: counts the processes of the container's cgroup that the OOM killer killed.
//
// Contract: cgroup v2: memory.events, field oom_kill, watched by inotify (cgroup-v2.rst "Memory
//           Interface Files"); v1: memory.oom_control, notified through cgroup.event_control and an
//           eventfd (cgroup-v1/memory.rst section 10), field oom_kill where the kernel has it
//           (4.13). The count is remembered: with systemd the cgroup is gone as soon as it is
//           empty.
// Threads:  one.
#ifndef CRISP_CONMON_OOM_WATCH_H_
#define CRISP_CONMON_OOM_WATCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "conmon/poller.h"

namespace crisp::conmon {

class OomWatch final : public Poller::Handler {
 public:
  class Owner {
   public:
    virtual void OnOomKill() = 0;

   protected:
    ~Owner() = default;
  };

  OomWatch(Poller* poller, Owner* owner) : poller_(poller), owner_(owner) {}

  // `path`: of memory.events, or of a memory cgroup's directory. Empty: nothing is watched.
  Status Start(const std::string& path);
  // Reads the counter now; tells the owner when it grew.
  void Check();
  bool watching() const { return counter_.valid(); }
  uint32_t kills() const { return kills_; }
  void RestoreKills(uint32_t kills) { kills_ = kills; }

  void OnEvents(uint32_t events) override;

 private:
  Status StartV1(const std::string& directory);
  Status StartV2(const std::string& path);
  void Stop();

  Poller* poller_;
  Owner* owner_;
  UniqueFd counter_;  // memory.events or memory.oom_control
  UniqueFd notify_;   // inotify or eventfd
  bool v1_ = false;
  uint32_t kills_ = 0;
};

// The number after "oom_kill " at the start of a line.
std::optional<uint32_t> FindOomKills(std::string_view text);

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_OOM_WATCH_H_
