// A container's end whose monitor ends at the same time: a state directory made by hand.
#include "oci/monitor_watch.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <future>
#include <thread>

#include "base/core/capabilities.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/pidfd.h"
#include "base/core/process_stat.h"
#include "base/core/reaper.h"
#include "base/failpoint.h"
#include "conmon/protocol.h"
#include "fake_monitor.h"

namespace crisp::oci {
namespace {

constexpr int kNobody = (1 << 22) + 1;  // beyond the largest process id

class MonitorWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/crisp-watch-XXXXXX";
    dir_ = ::mkdtemp(pattern);
    loop_ = EpollLoop::Create().value();
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void TearDown() override {
    failpoint::DisarmAll();
    loop_->Stop();
    thread_.join();
    watch_.reset();
    EXPECT_TRUE(RemoveTreeAt(dir_).ok());
  }
  void WriteRecord(int code) const {
    conmon::ExitRecord record;
    record.exit_code = code;
    EXPECT_TRUE(WriteFile(Cat(dir_, "/", conmon::kExitFileName), record.ToText()).ok());
  }
  // Of a container that is dead already.
  void Start() { Start(kNobody, 0); }
  void Start(pid_t container, uint64_t start_time) { Start(dir_, container, start_time); }
  void Start(const std::string& dir, pid_t container, uint64_t start_time) {
    MonitorProcess process;
    process.monitor_pid = kNobody;
    process.container_pid = container;
    process.container_start_time = start_time;
    MonitorObserver observer;
    observer.on_exit = [this](const ExitRecord& record, bool known) {
      seen_.set_value({record.exit_code, known});
    };
    watch_ =
        std::make_shared<MonitorWatch>(dir, process, loop_.get(), &reaper_, std::move(observer));
    ASSERT_TRUE(watch_->Start(UniqueFd()).ok());
  }
  std::pair<int, bool> Seen() {
    auto future = seen_.get_future();
    if (future.wait_for(std::chrono::seconds(20)) != std::future_status::ready) return {-1, false};
    return future.get();
  }

  // A child that ends with `code` when the returned descriptor is closed.
  static pid_t Fork(int code, UniqueFd* end) {
    FdPair pipe = MakePipe().value();
    const pid_t child = ::fork();
    if (child == 0) {
      pipe.second.Reset();
      char byte = 0;
      [[maybe_unused]] const ssize_t n = ::read(pipe.first.get(), &byte, 1);
      ::_exit(code);
    }
    *end = std::move(pipe.second);
    return child;
  }

  std::string dir_;
  Reaper reaper_;
  std::unique_ptr<EpollLoop> loop_;
  std::thread thread_;
  std::shared_ptr<MonitorWatch> watch_;
  std::promise<std::pair<int, bool>> seen_;
};

TEST_F(MonitorWatchTest, WithoutMonitorAndRecordItIsUnknown) {
  Start();
  EXPECT_EQ(Seen(), std::pair(255, false));
}

// The monitor wrote its record and ended after crispd had looked for the record.
TEST_F(MonitorWatchTest, ARecordThatComesBetweenTwoLooks) {
  for (const bool pid_file : {false, true}) {
    if (pid_file) {
      conmon::PidFile file;
      file.monitor_pid = kNobody;
      ASSERT_TRUE(WriteFile(Cat(dir_, "/", conmon::kPidFileName), file.ToText()).ok());
    }
    ASSERT_TRUE(failpoint::Arm("oci.monitor.await_record=sleep:1000").ok());
    seen_ = {};
    Start();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    WriteRecord(7);
    EXPECT_EQ(Seen(), std::pair(7, true)) << pid_file;
    ASSERT_TRUE(RemoveTreeAt(Cat(dir_, "/", conmon::kExitFileName)).ok());
  }
}

// Its monitor was killed, so nobody wrote a record: it is a zombie, or was collected already.
TEST_F(MonitorWatchTest, TheKernelStillKnowsAnEndWithoutRecord) {
  for (const bool collected : {false, true}) {
    if (!collected && !HasCapability(CAP_SYS_PTRACE)) continue;
    seen_ = {};
    UniqueFd end;
    const pid_t child = Fork(7, &end);
    ASSERT_GT(child, 0);
    Start(child, ReadProcessStat(child).value().start_time);
    const UniqueFd pidfd = OpenPidfd(child).value();
    std::promise<void> waits, go_on;  // the loop waits until it is collected
    loop_->Post([&waits, goes_on = go_on.get_future().share()] {
      waits.set_value();
      goes_on.wait();
    });
    waits.get_future().wait();
    end.Reset();
    pollfd ended{pidfd.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&ended, 1, -1), 1);
    if (collected) reaper_.ReapAll();
    go_on.set_value();
    EXPECT_EQ(Seen(), std::pair(7, true)) << collected;
    EXPECT_EQ(reaper_.Take(child, MonoTime()).has_value(), !collected);
  }
}

// It was stopped before this daemon began, with so many clients that the kernel takes no more.
TEST_F(MonitorWatchTest, AMonitorWithAFullBacklogIsConnectedToLater) {
  for (const bool goes_on : {true, false}) {
    SCOPED_TRACE(goes_on ? "the monitor goes on" : "its container ends first");
    FakeMonitor monitor;
    const std::vector<UniqueFd> waiting = monitor.FillBacklog();
    seen_ = {};
    UniqueFd end;
    const pid_t child = Fork(7, &end);
    ASSERT_GT(child, 0);
    Start(monitor.dir(), child, ReadProcessStat(child).value().start_time);
    EXPECT_EQ(watch_->ReopenLog(NoDeadline()).code(), Code::kUnavailable);
    EXPECT_GE(watch_->container_pidfd(), 0) << "it can be stopped";
    if (goes_on) {
      for (size_t i = 0; i <= waiting.size(); ++i) monitor.Accept();
      monitor.Expect(conmon::MessageType::kHello);
      conmon::ExitRecord record;
      record.exit_code = 8;  // as nobody but the monitor says
      monitor.Send(conmon::MessageType::kExit, 0, record.Encode());
      EXPECT_EQ(Seen(), std::pair(8, true));
    }
    end.Reset();
    if (!goes_on) {
      EXPECT_NE(Seen().first, -1);
    }
    EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  }
}

}  // namespace
}  // namespace crisp::oci
