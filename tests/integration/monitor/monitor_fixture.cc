#include "monitor_fixture.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "oci/monitor_files.h"
#include "oci/runtime.h"

namespace crisp::oci {

using conmon::MessageType;

namespace {

constexpr char kBusybox[] = "/bin/busybox";
constexpr char kMemoryCgroupV1[] = "/sys/fs/cgroup/memory";
constexpr char kCgroupV2[] = "/sys/fs/cgroup";

std::string JsonList(const std::vector<std::string>& words) {
  std::string out = "[";
  for (const std::string& word : words) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (char c : word) {
      if (c == '"' || c == '\\') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    out += '"';
  }
  return out + "]";
}

std::string ConfigJson(const ContainerSetup& setup, const std::string& cgroup) {
  std::vector<std::string> args = setup.command;
  if (args.size() == 1) args = {"/bin/sh", "-c", args[0]};
  std::string resources = "\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]";
  if (setup.memory_limit_bytes > 0) {
    resources += Cat(",\"memory\":{\"limit\":", setup.memory_limit_bytes, "}");
  }
  const std::string pid_ns = setup.host_pid ? "" : "{\"type\":\"pid\"},";
  return Cat(R"({"ociVersion":"1.0.2","process":{"terminal":)", setup.terminal ? "true" : "false",
             R"(,"user":{"uid":0,"gid":0},"args":)", JsonList(args),
             R"(,"env":["PATH=/bin","TERM=xterm"],"cwd":"/"},"root":{"path":"rootfs"},)"
             R"("hostname":"monitor-test","mounts":[)"
             R"({"destination":"/proc","type":"proc","source":"proc"},)"
             R"({"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid"]},)"
             R"({"destination":"/dev/pts","type":"devpts","source":"devpts",)"
             R"("options":["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620"]}],)"
             R"("linux":{"cgroupsPath":")",
             cgroup, R"(","resources":{)", resources, R"(},"namespaces":[)", pid_ns,
             R"({"type":"mount"},{"type":"ipc"},{"type":"uts"}]}})");
}

}  // namespace

void PrepareTestProcess() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  if (::geteuid() != 0) return;
  (void)Reaper::BecomeSubreaper();
  if (::unshare(CLONE_NEWNS) != 0) return;
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  ::umount2("/sys/fs/cgroup/unified", MNT_DETACH);
}

AttachClient::AttachClient(const std::string& state_dir, uint8_t streams) {
  Result<UniqueFd> fd = ConnectToMonitor(state_dir);
  EXPECT_TRUE(fd.ok()) << fd.status().ToString();
  if (!fd.ok()) return;
  fd_ = *std::move(fd);
  const MonoTime deadline = MonoNow() + std::chrono::seconds(5);
  conmon::AttachBody body;
  body.streams = streams;
  EXPECT_TRUE(
      SendPacket(fd_.get(), MessageType::kHello, 1, conmon::HelloBody().Encode(), deadline).ok());
  EXPECT_TRUE(SendPacket(fd_.get(), MessageType::kAttach, 2, body.Encode(), deadline).ok());
  WaitAttached(deadline);
}

void AttachClient::WaitAttached(MonoTime deadline) {
  for (;;) {
    pollfd wait{fd_.get(), POLLIN, 0};
    ASSERT_GT(::poll(&wait, 1, PollTimeoutMs(deadline)), 0) << "no answer to attach";
    const Result<ReceivedPacket> received = ReceivePacket(fd_.get());
    ASSERT_TRUE(received.ok()) << received.status().ToString();
    const conmon::Packet packet = received->packet();
    if (packet.is(MessageType::kOk)) return;
    ASSERT_TRUE(packet.is(MessageType::kHelloAck)) << packet.header.type;
  }
}

void AttachClient::SendInput(std::string_view data) {
  for (size_t at = 0; at < data.size(); at += conmon::kMaxBody_bytes) {
    EXPECT_TRUE(SendPacket(fd_.get(), MessageType::kAttachStdin, 0,
                           data.substr(at, conmon::kMaxBody_bytes),
                           MonoNow() + std::chrono::seconds(10))
                    .ok());
  }
}

void AttachClient::SendInputEof() {
  EXPECT_TRUE(SendPacket(fd_.get(), MessageType::kAttachStdinEof, 0, {}, MonoNow()).ok());
}

void AttachClient::Resize(uint16_t columns, uint16_t rows) {
  conmon::ResizeBody body;
  body.columns = columns;
  body.rows = rows;
  EXPECT_TRUE(SendPacket(fd_.get(), MessageType::kResize, 0, body.Encode(), MonoNow()).ok());
}

bool AttachClient::ReadPacket(MonoTime deadline) {
  pollfd wait{fd_.get(), POLLIN, 0};
  if (::poll(&wait, 1, PollTimeoutMs(deadline)) <= 0) return false;
  const Result<ReceivedPacket> received = ReceivePacket(fd_.get());
  if (!received.ok()) return received.status().code() == Code::kNotFound;
  const conmon::Packet packet = received->packet();
  if (packet.is(MessageType::kAttachStdout)) output_ += packet.body;
  if (packet.is(MessageType::kAttachStderr)) errors_ += packet.body;
  if (packet.is(MessageType::kExit)) exit_ = conmon::ExitRecord::Decode(packet.body);
  return true;
}

bool AttachClient::ReadUntil(std::string_view text) {
  const MonoTime deadline = MonoNow() + std::chrono::seconds(10);
  while (output_.find(text) == std::string::npos) {
    if (!ReadPacket(deadline)) return false;
  }
  return true;
}

bool AttachClient::ReadUntilEnd() {
  const MonoTime deadline = MonoNow() + std::chrono::seconds(20);
  while (ReadPacket(deadline)) {
  }
  return MonoNow() < deadline;
}

void MonitorTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  if (!PathExists(Cat("/usr/sbin/", GetParam())) && !PathExists(Cat("/usr/bin/", GetParam()))) {
    GTEST_SKIP() << "needs " << GetParam();
  }
  if (!PathExists(kBusybox)) GTEST_SKIP() << "needs busybox-static";
  char name[] = "/tmp/crisp-monitor-test-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  dir_ = name;
  state_dir_ = dir_ + "/state";
  log_path_ = dir_ + "/logs/pod/container/0.log";
  id_ = ContainerId::MakeRandom();
  cgroup_ = Cat("/crisp-monitor-test.", id_.str());  // of its own: others run beside this
  ASSERT_TRUE(EnsureDirectory(state_dir_, 0700).ok());
  ASSERT_TRUE(EnsureDirectory(dir_ + "/bundle/rootfs/bin").ok());
  for (const char* sub : {"/proc", "/dev", "/tmp", "/sys"}) {
    ASSERT_TRUE(EnsureDirectory(dir_ + "/bundle/rootfs" + sub).ok());
  }
  RunOptions copy;
  copy.argv = {"/bin/cp", kBusybox, dir_ + "/bundle/rootfs/bin/busybox"};
  copy.reaper = &reaper_;
  ASSERT_TRUE(crisp::Run(copy).ok());
  for (const char* tool : {"sh", "cat", "echo", "sleep", "dd", "stty", "seq", "printf", "tail",
                           "kill", "head", "tr", "true", "test"}) {
    ASSERT_EQ(::symlink("busybox", Cat(dir_, "/bundle/rootfs/bin/", tool).c_str()), 0);
  }
  Result<std::unique_ptr<EpollLoop>> loop = EpollLoop::Create();
  ASSERT_TRUE(loop.ok());
  loop_ = *std::move(loop);
  exit_ = {};
  ooms_ = 0;
  loop_thread_ = std::thread([this] { loop_->Run(); });
}

void MonitorTest::TearDown() {
  if (loop_) {
    EXPECT_TRUE(EnsureMonitorGone(state_dir_, Soon()).ok());
    (void)RunRuntime({"delete", "--force", id_.str()});
    monitor_.reset();
    loop_->Stop();
    loop_thread_.join();
    loop_.reset();
    reaper_.ReapAll();
  }
  if (!dir_.empty()) (void)RemoveTreeAt(dir_);
  for (const char* controller :
       {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"}) {
    ::rmdir(Cat("/sys/fs/cgroup/", controller, cgroup_).c_str());
  }
  ::rmdir(Cat("/sys/fs/cgroup", cgroup_).c_str());
}

void MonitorTest::WriteBundle(const ContainerSetup& setup) {
  ASSERT_TRUE(WriteFile(dir_ + "/bundle/config.json", ConfigJson(setup, cgroup_)).ok());
}

MonitorLaunch MonitorTest::MakeLaunch(const ContainerSetup& setup) {
  MonitorLaunch launch;
  launch.container = id_;
  launch.monitor_binary = CRISP_MONITOR_BINARY;
  launch.runtime_argv = {GetParam(), "--root", dir_ + "/runtime"};
  launch.env = RuntimeEnvironment(RuntimeOptions());
  launch.bundle = dir_ + "/bundle";
  launch.state_dir = state_dir_;
  if (setup.with_log) launch.log_path = log_path_;
  launch.terminal = setup.terminal;
  launch.stdin_open = setup.stdin_open;
  launch.stdin_once = setup.stdin_once;
  launch.log_line_limit_bytes = setup.log_line_limit_bytes;
  launch.oom_watch = PathExists(kMemoryCgroupV1) ? kMemoryCgroupV1 + cgroup_
                                                 : kCgroupV2 + cgroup_ + "/memory.events";
  launch.deadline = Soon();
  launch.reaper = &reaper_;
  launch.loop = loop_.get();
  return launch;
}

MonitorObserver MonitorTest::MakeObserver() {
  MonitorObserver observer;
  observer.on_exit = [this](const ExitRecord& record, bool known) {
    std::lock_guard lock(mutex_);
    exit_.record = record;
    exit_.known = known;
    ++exit_.count;
    changed_.notify_all();
  };
  observer.on_oom = [this] {
    std::lock_guard lock(mutex_);
    ++ooms_;
  };
  return observer;
}

void MonitorTest::Launch(const ContainerSetup& setup) {
  WriteBundle(setup);
  Result<std::shared_ptr<Monitor>> launched = Monitor::Launch(MakeLaunch(setup), MakeObserver());
  ASSERT_TRUE(launched.ok()) << launched.status().ToString();
  monitor_ = *std::move(launched);
}

Status MonitorTest::RunRuntime(std::vector<std::string> arguments) {
  RunOptions run;
  run.argv = {GetParam(), "--root", dir_ + "/runtime"};
  run.argv.insert(run.argv.end(), arguments.begin(), arguments.end());
  run.deadline = Soon();
  run.reaper = &reaper_;
  const RunOutput output = CRISP_TRY(crisp::Run(run));
  if (!output.status.success()) return Internal(output.stderr_data);
  return OkStatus();
}

Status MonitorTest::StartContainer() { return RunRuntime({"start", id_.str()}); }

void MonitorTest::LaunchAndStart(const ContainerSetup& setup) {
  ASSERT_NO_FATAL_FAILURE(Launch(setup));
  const Status started = StartContainer();
  ASSERT_TRUE(started.ok()) << started.ToString();
}

void MonitorTest::Adopt() {
  const MonitorProcess process = monitor_->process();
  monitor_.reset();
  Result<std::shared_ptr<Monitor>> adopted =
      Monitor::Adopt(state_dir_, process, loop_.get(), &reaper_, MakeObserver());
  ASSERT_TRUE(adopted.ok()) << adopted.status().ToString();
  monitor_ = *std::move(adopted);
}

SeenExit MonitorTest::WaitExit() {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_until(lock, Soon(), [this] { return exit_.count > 0; }))
      << "no exit was reported";
  return exit_;
}

int MonitorTest::ooms() {
  std::lock_guard lock(mutex_);
  return ooms_;
}

std::string MonitorTest::ReadLog() {
  Result<std::string> text = ReadFile(log_path_, 512u << 20);
  EXPECT_TRUE(text.ok()) << text.status().ToString();
  return text.ok() ? *text : "";
}

std::string MonitorTest::LogContent(const std::string& stream) {
  const std::string log = ReadLog();
  std::string content;
  std::string_view rest = log;
  while (!rest.empty()) {
    const auto [line, next] = conmon::internal::SplitAt(rest, '\n');
    rest = next;
    const auto [time, after_time] = conmon::internal::SplitAt(line, ' ');
    const auto [name, after_name] = conmon::internal::SplitAt(after_time, ' ');
    EXPECT_EQ(time.size(), 30u) << line;
    EXPECT_TRUE(after_name.starts_with("F ") || after_name.starts_with("P ")) << line;
    if (name != stream) continue;
    content += after_name.substr(2);
    if (after_name[0] == 'F') content += '\n';
  }
  return content;
}

bool MonitorTest::WaitLogContains(std::string_view text) {
  const MonoTime deadline = MonoNow() + std::chrono::seconds(10);
  while (MonoNow() < deadline) {
    if (PathExists(log_path_) && ReadLog().find(text) != std::string::npos) return true;
    ::usleep(10000);
  }
  return false;
}

conmon::StatusBody MonitorTest::QueryStatus() {
  Result<UniqueFd> fd = ConnectToMonitor(state_dir_);
  EXPECT_TRUE(fd.ok()) << fd.status().ToString();
  if (!fd.ok()) return {};
  EXPECT_TRUE(SendPacket(fd->get(), MessageType::kStatus, 7, {}, Soon()).ok());
  pollfd wait{fd->get(), POLLIN, 0};
  EXPECT_GT(::poll(&wait, 1, 5000), 0);
  const Result<ReceivedPacket> received = ReceivePacket(fd->get());
  EXPECT_TRUE(received.ok()) << received.status().ToString();
  if (!received.ok()) return {};
  return conmon::StatusBody::Decode(received->packet().body).value_or(conmon::StatusBody{});
}

bool MonitorTest::ProcessAlive(pid_t pid) {
  reaper_.ReapAll();
  return ::kill(pid, 0) == 0;
}

}  // namespace crisp::oci
