// The runtime driver, driven against runc and crun: start, state, exec, kill, update, delete.
//
// Each case makes a bundle around busybox, has the runtime program create the container (which is
// the monitor's work in crisp), and does the rest through oci::Runtime.
#include "oci/runtime.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/core/child_process.h"
#include "base/core/file.h"
#include "base/core/reaper.h"
#include "oci/spec.h"
#include "oci/spec_builder.h"

namespace crisp::oci {
namespace {

using ::testing::HasSubstr;

namespace fs = std::filesystem;

constexpr const char* kBusybox = "/bin/busybox";
constexpr int64_t kMiB = 1 << 20;

MonoTime Soon() { return MonoNow() + std::chrono::seconds(20); }

// A private mount namespace in which crun works on hybrid machines as well.
std::string EnterOwnMounts() {
  static const std::string problem = []() -> std::string {
    if (::geteuid() != 0) return "needs root";
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return Cat("cannot make a mount namespace: ", std::strerror(errno));
    }
    ::umount2("/sys/fs/cgroup/unified", MNT_DETACH);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::signal(SIGPIPE, SIG_IGN);
    return "";
  }();
  return problem;
}

class RuntimeTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const std::string problem = EnterOwnMounts(); !problem.empty()) GTEST_SKIP() << problem;
    const std::string program = Cat("/usr/bin/", GetParam());
    if (!PathExists(program)) GTEST_SKIP() << program << " is not installed";
    if (!PathExists(kBusybox)) GTEST_SKIP() << kBusybox << " is not installed";
    auto layout = CgroupLayout::Detect();
    if (!layout.ok()) GTEST_SKIP() << layout.status().ToString();
    layout_ = *layout;
    std::string pattern = (fs::temp_directory_path() / "crisp-runtime-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    RuntimeOptions options;
    options.handler = GetParam();
    options.path = program;
    options.root = directory_ + "/state";
    options.cgroup_layout = &layout_;
    options.telemetry = &telemetry_;
    auto runtime = Runtime::Open(std::move(options));
    ASSERT_TRUE(runtime.ok()) << runtime.status().ToString();
    runtime_ = std::move(runtime).value();
    cgroup_ = Cat("/crisp-runtime-test-", ::getpid(), "/", id_.str());
  }

  void TearDown() override {
    if (runtime_) {
      EXPECT_TRUE(runtime_->EnsureDeleted(id_, Soon()).ok());
      const CgroupDir parent(&layout_, Cat("/crisp-runtime-test-", ::getpid()));
      EXPECT_TRUE(parent.KillAll(Soon()).ok());
      const Status removed = parent.EnsureRemoved();
      EXPECT_TRUE(removed.ok()) << removed.ToString();
    }
    while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
    std::error_code ignored;
    if (!directory_.empty()) fs::remove_all(directory_, ignored);
  }

  void MakeRootfs() {
    const std::string rootfs = directory_ + "/rootfs";
    for (const char* dir : {"bin", "proc", "dev", "sys", "etc", "tmp"}) {
      fs::create_directories(rootfs + "/" + dir);
    }
    fs::copy_file(kBusybox, rootfs + "/bin/busybox");
    for (const char* name : {"sh", "sleep", "cat", "id", "chmod", "grep", "hostname", "touch"}) {
      fs::create_symlink("busybox", rootfs + "/bin/" + name);
    }
    std::ofstream(rootfs + "/etc/passwd") << "root:x:0:0::/root:/bin/sh\n";
  }

  ContainerRequest Request() {
    ContainerRequest request;
    request.container_id = id_.str();
    request.command = {"/bin/sleep", "1000"};
    request.rootfs = directory_ + "/rootfs";
    request.pid_ns = "";
    request.ipc_ns = "";
    request.uts_ns = "";
    request.hostname = "box";
    request.host_network = true;
    request.cgroups_path = cgroup_;
    request.cgroup_layout = &layout_;
    request.features = &runtime_->features();
    request.seccomp = RequestedProfile{};
    request.masked_paths = {"/proc/kcore"};
    request.readonly_paths = {"/proc/sys"};
    request.resources.memory_limit_bytes = 64 * kMiB;
    request.resources.cpu_shares = 256;
    request.resources.cpu_quota_us = -1;
    return request;
  }

  Status Create(const ContainerRequest& request) {
    BuiltSpec built = CRISP_TRY(BuildSpec(request, directory_));
    if (!built.passwd_content.empty()) {
      CRISP_RETURN_IF_ERROR(WriteFile(directory_ + "/passwd", built.passwd_content));
    }
    process_ = built.spec.process;
    CRISP_RETURN_IF_ERROR(WriteFile(directory_ + "/config.json", CRISP_TRY(ToJson(built.spec))));
    const UniqueFd output =
        CRISP_TRY(OpenFile(directory_ + "/output", O_RDWR | O_CREAT | O_TRUNC, 0644));
    SpawnOptions spawn;
    spawn.argv = runtime_->BaseArgv();
    spawn.argv.insert(spawn.argv.end(), {"create", "--bundle", directory_, "--pid-file",
                                         directory_ + "/pid", id_.str()});
    spawn.fds = {{output.get(), 1}, {output.get(), 2}};
    ChildProcess child = CRISP_TRY(ChildProcess::Spawn(spawn));
    const ExitStatus ended = CRISP_TRY(child.Wait(Soon()));
    if (!ended.success()) return Internal("create: ", Output());
    return OkStatus();
  }
  std::string Output() { return ReadFile(directory_ + "/output").value(); }

  void CreateAndStart(const ContainerRequest& request) {
    const Status created = Create(request);
    ASSERT_TRUE(created.ok()) << created.ToString();
    const Status started = runtime_->Start(id_, Soon());
    ASSERT_TRUE(started.ok()) << started.ToString();
  }

  struct ExecOutput {
    int code = -1;
    std::string out;
    std::string err;
  };
  Result<pid_t> StartExec(std::vector<std::string> args, const std::string& sub_cgroup) {
    Process process = process_;
    process.args = std::move(args);
    CRISP_RETURN_IF_ERROR(WriteFile(directory_ + "/exec.json", CRISP_TRY(ToJson(process))));
    exec_out_ = CRISP_TRY(MakePipe());
    exec_err_ = CRISP_TRY(MakePipe());
    ExecRequest request;
    request.container = id_;
    request.process_json_path = directory_ + "/exec.json";
    request.pid_file = directory_ + "/exec.pid";
    request.sub_cgroup = sub_cgroup;
    request.stdout_fd = exec_out_.second.get();
    request.stderr_fd = exec_err_.second.get();
    request.deadline = Soon();
    auto pid = runtime_->ExecDetached(request);
    exec_out_.second.Reset();
    exec_err_.second.Reset();
    return pid;
  }
  Result<ExecOutput> Exec(std::vector<std::string> args, const std::string& sub_cgroup = "") {
    const pid_t pid = CRISP_TRY(StartExec(std::move(args), sub_cgroup));
    ExecOutput output;
    output.out = CRISP_TRY(ReadAll(exec_out_.first.get()));
    output.err = CRISP_TRY(ReadAll(exec_err_.first.get()));
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid) return Errno("waitpid: the exec is not our child");
    output.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return output;
  }
  std::string ExecText(std::vector<std::string> args) {
    auto output = Exec(std::move(args));
    return output.ok() ? output->out + output->err : output.status().ToString();
  }

  bool WaitForStatus(const std::string& status) {
    for (const MonoTime end = MonoNow() + std::chrono::seconds(5); MonoNow() < end;) {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
      const auto state = runtime_->State(id_, Soon());
      if (state.ok() && state->status == status) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }
  std::string CgroupFile(const char* controller, const char* v1, const char* v2) {
    const CgroupDir dir(&layout_, cgroup_);
    auto text = dir.ReadFile(controller, layout_.v2 ? v2 : v1);
    return text.ok() ? std::string(Trim(*text)) : text.status().ToString();
  }

  const ContainerId id_ = ContainerId::MakeRandom();
  std::string directory_;
  std::string cgroup_;
  CgroupLayout layout_;
  Telemetry telemetry_;
  std::unique_ptr<Runtime> runtime_;
  Process process_;
  FdPair exec_out_;
  FdPair exec_err_;
};

TEST_P(RuntimeTest, Life) {
  MakeRootfs();
  const Status created = Create(Request());
  ASSERT_TRUE(created.ok()) << created.ToString();
  auto state = runtime_->State(id_, Soon());
  ASSERT_TRUE(state.ok()) << state.status().ToString();
  EXPECT_EQ(state->status, "created");
  EXPECT_GT(state->pid, 1);

  ASSERT_TRUE(runtime_->Start(id_, Soon()).ok());
  EXPECT_TRUE(WaitForStatus("running"));
  EXPECT_EQ(runtime_->Start(id_, Soon()).code(), Code::kFailedPrecondition);

  ASSERT_EQ(::kill(state->pid, SIGKILL), 0);
  EXPECT_TRUE(WaitForStatus("stopped"));
  EXPECT_EQ(runtime_->Start(id_, Soon()).code(), Code::kFailedPrecondition);
  EXPECT_EQ(Exec({"/bin/true"}).status().code(), Code::kFailedPrecondition);

  EXPECT_TRUE(runtime_->EnsureDeleted(id_, Soon()).ok());
  EXPECT_EQ(runtime_->State(id_, Soon()).status().code(), Code::kNotFound);
  EXPECT_TRUE(runtime_->EnsureDeleted(id_, Soon()).ok()) << "twice is fine";
}

TEST_P(RuntimeTest, UnknownContainer) {
  EXPECT_EQ(runtime_->Start(id_, Soon()).code(), Code::kNotFound);
  EXPECT_EQ(runtime_->State(id_, Soon()).status().code(), Code::kNotFound);
  LinuxResources resources;
  resources.cpu_shares = 100;
  EXPECT_EQ(runtime_->Update(id_, resources, Soon()).code(), Code::kNotFound);
  EXPECT_EQ(Exec({"/bin/true"}).status().code(), Code::kNotFound);
  EXPECT_TRUE(runtime_->EnsureDeleted(id_, Soon()).ok());
}

TEST_P(RuntimeTest, DeleteOfARunningContainer) {
  MakeRootfs();
  CreateAndStart(Request());
  EXPECT_TRUE(runtime_->EnsureDeleted(id_, Soon()).ok());
  EXPECT_EQ(runtime_->State(id_, Soon()).status().code(), Code::kNotFound);
  EXPECT_FALSE(CgroupDir(&layout_, cgroup_).Exists());
}

TEST_P(RuntimeTest, SpecAsTheContainerSeesIt) {
  MakeRootfs();
  ContainerRequest request = Request();
  request.user.uid = 4711;
  request.user.supplemental_groups = {1234};
  request.working_dir = "/made/for/it";
  request.no_new_privs = true;
  CreateAndStart(request);
  EXPECT_EQ(ExecText({"/bin/id", "-u"}), "4711\n");
  EXPECT_EQ(ExecText({"/bin/id", "-G"}), "0 1234\n");
  EXPECT_THAT(ExecText({"/bin/cat", "/etc/passwd"}), HasSubstr("4711:x:4711:0:"));
  EXPECT_EQ(ExecText({"/bin/sh", "-c", "pwd"}), "/made/for/it\n");
  EXPECT_EQ(ExecText({"/bin/hostname"}), "box\n");
  const std::string status = ExecText({"/bin/cat", "/proc/self/status"});
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
  // On v2 the container has a cgroup namespace of its own, whose root is the container's group.
  EXPECT_THAT(ExecText({"/bin/cat", "/proc/self/cgroup"}),
              HasSubstr(layout_.v2 ? "0::/\n" : id_.str()));
  if (!process_.apparmor_profile.empty()) {
    EXPECT_EQ(ExecText({"/bin/cat", "/proc/self/attr/current"}), "crisp-default (enforce)\n");
    EXPECT_THAT(ExecText({"/bin/sh", "-c", "echo 1 >/proc/sysrq-trigger"}),
                HasSubstr("Permission denied"));
  }
  // Nothing of the runtime's own descriptors, the log in memory included, reaches the command.
  const auto pid = StartExec({"/bin/sleep", "500"}, "");
  ASSERT_TRUE(pid.ok());
  // runc gives the pid before its last execve, which closes what is its own.
  std::vector<std::string> fds;
  for (int i = 0; i < 500 && fds.size() != 3; ++i) {
    if (i > 0) ::usleep(10000);
    fds.clear();
    for (const auto& entry : fs::directory_iterator(Cat("/proc/", *pid, "/fd"))) {
      fds.push_back(entry.path().filename());
    }
  }
  EXPECT_THAT(fds, ::testing::UnorderedElementsAre("0", "1", "2"));
  // Reaped at once: PID 1 cannot die while a process of its namespace is an unreaped zombie.
  ::kill(*pid, SIGKILL);
  EXPECT_EQ(::waitpid(*pid, nullptr, 0), *pid);
}

TEST_P(RuntimeTest, ReadonlyRootWithWritableMount) {
  MakeRootfs();
  fs::create_directory(directory_ + "/data");
  ContainerRequest request = Request();
  request.readonly_rootfs = true;
  RequestedMount mount;
  mount.container_path = "/tmp/data";
  mount.host_path = directory_ + "/data";
  request.mounts = {mount};
  fs::create_directory(directory_ + "/rootfs/tmp/data");
  CreateAndStart(request);
  EXPECT_THAT(ExecText({"/bin/touch", "/x"}), HasSubstr("Read-only file system"));
  EXPECT_EQ(ExecText({"/bin/touch", "/tmp/data/x"}), "");
  EXPECT_TRUE(PathExists(directory_ + "/data/x"));
}

TEST_P(RuntimeTest, RecursiveReadOnly) {
  MakeRootfs();
  if (!runtime_->features().recursive_read_only) GTEST_SKIP() << "not offered here";
  fs::create_directories(directory_ + "/data/sub");
  ASSERT_EQ(::mount("tmpfs", (directory_ + "/data/sub").c_str(), "tmpfs", 0, ""), 0);
  ContainerRequest request = Request();
  RequestedMount mount;
  mount.host_path = directory_ + "/data";
  mount.readonly = true;
  mount.container_path = "/ro";
  request.mounts = {mount};
  mount.container_path = "/rro";
  mount.recursive_read_only = true;
  request.mounts.push_back(mount);
  CreateAndStart(request);
  EXPECT_THAT(ExecText({"/bin/touch", "/ro/x"}), HasSubstr("Read-only file system"));
  EXPECT_EQ(ExecText({"/bin/touch", "/ro/sub/x"}), "");
  EXPECT_THAT(ExecText({"/bin/touch", "/rro/sub/x"}), HasSubstr("Read-only file system"));
  ::umount2((directory_ + "/data/sub").c_str(), MNT_DETACH);
}

TEST_P(RuntimeTest, Privileged) {
  MakeRootfs();
  ContainerRequest request = Request();
  request.privileged = request.sandbox_privileged = true;
  CreateAndStart(request);
  const std::string status = ExecText({"/bin/cat", "/proc/self/status"});
  EXPECT_THAT(status, HasSubstr("Seccomp:\t0"));
  const std::string own = ReadFile("/proc/self/status").value();
  const size_t at = own.find("CapBnd:");
  EXPECT_THAT(status, HasSubstr(own.substr(at, own.find('\n', at) - at)));
  EXPECT_EQ(ExecText({"/bin/sh", "-c", "test -c /dev/null && test -w /proc/sys && echo ok"}),
            "ok\n");
}

TEST_P(RuntimeTest, AllCapabilitiesDropped) {
  MakeRootfs();
  ContainerRequest request = Request();
  request.drop_capabilities = {"ALL"};
  CreateAndStart(request);
  EXPECT_THAT(ExecText({"/bin/grep", "CapBnd", "/proc/self/status"}),
              HasSubstr("0000000000000000"));
}

TEST_P(RuntimeTest, SeccompLocalhostProfile) {
  MakeRootfs();
  ASSERT_TRUE(WriteFile(directory_ + "/profile.json", R"({"defaultAction": "SCMP_ACT_ALLOW",
      "syscalls": [{"names": ["chmod", "fchmod", "fchmodat"], "action": "SCMP_ACT_ERRNO"}]})")
                  .ok());
  ContainerRequest request = Request();
  request.seccomp =
      RequestedProfile{RequestedProfile::Type::kLocalhost, directory_ + "/profile.json"};
  CreateAndStart(request);
  EXPECT_THAT(ExecText({"/bin/chmod", "400", "/"}), HasSubstr("Operation not permitted"));
}

TEST_P(RuntimeTest, ExecResults) {
  MakeRootfs();
  CreateAndStart(Request());
  auto output = Exec({"/bin/sh", "-c", "echo out; echo err >&2; exit 7"});
  ASSERT_TRUE(output.ok()) << output.status().ToString();
  EXPECT_EQ(output->code, 7);
  EXPECT_EQ(output->out, "out\n");
  EXPECT_EQ(output->err, "err\n");

  for (const char* program : {"/bin/nope", "nope", "/etc/passwd", "/etc/passwd/x", "/etc"}) {
    const Status status = Exec({program}).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
  }
}

TEST_P(RuntimeTest, ExecThatIsNotDoneInTime) {
  MakeRootfs();
  CreateAndStart(Request());
  ExecRequest request;
  request.container = id_;
  ASSERT_TRUE(WriteFile(directory_ + "/exec.json", ToJson(process_).value()).ok());
  request.process_json_path = directory_ + "/exec.json";
  request.pid_file = directory_ + "/exec.pid";
  request.deadline = MonoNow();
  EXPECT_EQ(runtime_->ExecDetached(request).status().code(), Code::kDeadlineExceeded);
}

TEST_P(RuntimeTest, ExecTreeInASubCgroupIsKilledAsAWhole) {
  MakeRootfs();
  if (!runtime_->features().exec_cgroup) GTEST_SKIP() << "not offered here";
  CreateAndStart(Request());
  const CgroupDir tree(&runtime_->exec_cgroup_layout(), cgroup_ + "/exec-1");
  ASSERT_TRUE(tree.EnsureCreated().ok());
  const auto pid =
      StartExec({"/bin/sh", "-c", "sleep 500 & sleep 500 & echo ready; wait"}, "exec-1");
  ASSERT_TRUE(pid.ok()) << pid.status().ToString();
  char buffer[16];
  ASSERT_GT(::read(exec_out_.first.get(), buffer, sizeof(buffer)), 0);
  EXPECT_EQ(tree.Processes()->size(), 3u);
  EXPECT_TRUE(tree.KillAll(Soon()).ok());
  int status = 0;
  EXPECT_EQ(::waitpid(*pid, &status, 0), *pid);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(tree.EnsureRemoved().ok());
  EXPECT_TRUE(WaitForStatus("running")) << "the container lives on";
}

TEST_P(RuntimeTest, ExecIntoAMissingSubCgroupNeverRunsOutside) {
  MakeRootfs();
  if (!runtime_->features().exec_cgroup) GTEST_SKIP() << "not offered here";
  CreateAndStart(Request());
  const auto pid = StartExec({"/bin/sleep", "500"}, "missing");
  EXPECT_FALSE(pid.ok());
  if (pid.ok()) ::kill(*pid, SIGKILL);
}

TEST_P(RuntimeTest, UpdateIsSeenInTheCgroup) {
  MakeRootfs();
  CreateAndStart(Request());
  LinuxResources limits;
  // Up and down again: memory and memory+swap have an order in v1.
  for (int64_t mib : {128, 32, 256}) {
    limits.memory_limit_bytes = mib * kMiB;
    limits.memory_swap_bytes = mib * kMiB;
    limits.cpu_shares = 1024;
    limits.cpu_quota_us = 50000;
    limits.cpu_period_us = 100000;
    limits.pids_limit = 77;
    const Status status = runtime_->Update(id_, limits, Soon());
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(CgroupFile("memory", "memory.limit_in_bytes", "memory.max"), Cat(mib * kMiB));
  }
  if (!layout_.v2) {
    EXPECT_EQ(CgroupFile("memory", "memory.memsw.limit_in_bytes", ""), Cat(256 * kMiB));
    EXPECT_EQ(CgroupFile("cpu", "cpu.shares", ""), "1024");
    EXPECT_EQ(CgroupFile("cpu", "cpu.cfs_quota_us", ""), "50000");
  }
  EXPECT_EQ(CgroupFile("pids", "pids.max", "pids.max"), "77");
  limits.cpu_quota_us = -1;
  const Status unlimited = runtime_->Update(id_, limits, Soon());
  ASSERT_TRUE(unlimited.ok()) << unlimited.ToString();
  if (!layout_.v2) {
    EXPECT_EQ(CgroupFile("cpu", "cpu.cfs_quota_us", ""), "-1");
  }
  limits.cpuset_cpus = "4095";
  EXPECT_FALSE(runtime_->Update(id_, limits, Soon()).ok());
}

INSTANTIATE_TEST_SUITE_P(Runtimes, RuntimeTest, ::testing::Values("runc", "crun"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(CrunOnHybridCgroups, IsRefused) {
  if (!PathExists("/usr/bin/crun")) GTEST_SKIP() << "crun is not installed";
  CgroupLayout layout;
  layout.mounts = {{"memory", "/sys/fs/cgroup/memory"}};
  layout.hybrid = true;
  Telemetry telemetry;
  RuntimeOptions options;
  options.handler = "crun";
  options.path = "/usr/bin/crun";
  options.root = "/run/crisp-test-never-made";
  options.cgroup_layout = &layout;
  options.telemetry = &telemetry;
  EXPECT_EQ(Runtime::Open(std::move(options)).status().code(), Code::kFailedPrecondition);
  EXPECT_FALSE(PathExists("/run/crisp-test-never-made"));
}

}  // namespace
}  // namespace crisp::oci
