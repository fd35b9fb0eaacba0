// What the monitor's integration tests share: a bundle around a static busybox, the loop and reaper
// that crispd would have, a runtime driven by hand, and an attach client.
//
// Needs root, runc or crun, and busybox-static; MonitorTest skips without them.
#ifndef CRISP_TESTS_INTEGRATION_MONITOR_MONITOR_FIXTURE_H_
#define CRISP_TESTS_INTEGRATION_MONITOR_MONITOR_FIXTURE_H_

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/core/epoll_loop.h"
#include "base/core/reaper.h"
#include "base/core/unique_fd.h"
#include "oci/monitor.h"
#include "oci/monitor_connection.h"
#include "tests/support/patience.h"

namespace crisp::oci {

// Called by main before there are threads: a mount namespace without the cgroup2 mount that crun
// refuses beside v1 controllers, a subreaper, SIGCHLD blocked.
void PrepareTestProcess();

struct SeenExit {
  ExitRecord record;
  bool known = false;
  int count = 0;
};

struct ContainerSetup {
  std::vector<std::string> command;  // run by /bin/sh -c when it is one string
  bool terminal = false;
  bool stdin_open = false;
  bool stdin_once = false;
  bool with_log = true;
  bool host_pid = false;
  int64_t memory_limit_bytes = 0;
  int64_t log_line_limit_bytes = 16384;
};

class AttachClient {
 public:
  // Says hello and attaches; fails the test when that is refused.
  AttachClient(const std::string& state_dir, uint8_t streams);
  void SendInput(std::string_view data);
  void SendInputEof();
  void Resize(uint16_t columns, uint16_t rows);
  // Collects until `text` is in the output, kExit came or the connection closed.
  bool ReadUntil(std::string_view text);
  bool ReadUntilEnd();
  const std::string& output() const { return output_; }
  const std::string& errors() const { return errors_; }
  bool saw_exit() const { return exit_.has_value(); }
  void Close() { fd_.Reset(); }
  int fd() const { return fd_.get(); }

 private:
  void WaitAttached(MonoTime deadline);
  bool ReadPacket(MonoTime deadline);
  UniqueFd fd_;
  std::string output_;
  std::string errors_;
  std::optional<conmon::ExitRecord> exit_;
};

// The parameter is the runtime's name.
class MonitorTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
  void TearDown() override;

  static MonoTime Soon() { return MonoNow() + test::Patient(std::chrono::seconds(20)); }
  void WriteBundle(const ContainerSetup& setup);
  MonitorLaunch MakeLaunch(const ContainerSetup& setup);
  MonitorObserver MakeObserver();
  // WriteBundle + Launch; ASSERTs.
  void Launch(const ContainerSetup& setup);
  Status StartContainer();
  void LaunchAndStart(const ContainerSetup& setup);
  void Adopt();

  // Waits for on_exit.
  SeenExit WaitExit();
  int ooms();
  std::string ReadLog();
  // The contents of all records of `stream`, P pieces joined, F lines ended with "\n".
  std::string LogContent(const std::string& stream = "stdout");
  bool WaitLogContains(std::string_view text);
  Status RunRuntime(std::vector<std::string> arguments);
  conmon::StatusBody QueryStatus();
  std::string StatePath(std::string_view name) const { return Cat(state_dir_, "/", name); }
  bool ProcessAlive(pid_t pid);

  std::string dir_;
  std::string state_dir_;
  std::string log_path_;
  std::string cgroup_;
  ContainerId id_;
  std::unique_ptr<EpollLoop> loop_;
  std::thread loop_thread_;
  Reaper reaper_;
  std::shared_ptr<Monitor> monitor_;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  SeenExit exit_;
  int ooms_ = 0;
};

}  // namespace crisp::oci

#endif  // CRISP_TESTS_INTEGRATION_MONITOR_MONITOR_FIXTURE_H_
