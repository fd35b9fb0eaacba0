#include "tests/support/pod_test.h"

#include <poll.h>

#include <cstdio>
#include <cstdlib>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "base/ids.h"
#include "tests/support/surroundings.h"

namespace crisp::test {
namespace {

constexpr int64_t kMemoryLimit_bytes = 256 << 20;

// One for all tests of this program: it takes hundreds of processes to make. Where those are dear,
// CRISP_TEST_CACHE names a directory that outlives programs.
Result<std::string> EnsureBusyboxLayout() {
  const char* cache = std::getenv("CRISP_TEST_CACHE");  // NOLINT(concurrency-mt-unsafe)
  const std::string base = cache == nullptr ? "/run" : cache;
  const std::string layout = Cat(base, "/busybox");
  if (PathExists(layout)) return layout;
  CRISP_RETURN_IF_ERROR(WriteAccounts(Cat(base, "/accounts")));
  LayoutOptions options;
  options.add_dir = Cat(base, "/accounts");
  const std::string unfinished = Cat(layout, ".new");
  CRISP_RETURN_IF_ERROR(MakeLayout(unfinished, options).status());
  if (::rename(unfinished.c_str(), layout.c_str()) != 0) return Errno("rename ", unfinished);
  return layout;
}

}  // namespace

void PodTest::SetUp() {
  if (!InSurroundings()) GTEST_SKIP() << "needs root";
  if (FindProgram(Runtime()).empty()) GTEST_SKIP() << Runtime() << " is not installed";
  const Status built = Build();
  if (!built.ok()) before_.reset();
  ASSERT_TRUE(built.ok()) << built.ToString();
}

// What the first pod makes and all later ones use: the bridge, rule chains, slices. They outlive
// this daemon, so the next tests of this program find them; but for the default cgroup parent,
// which goes with the daemon.
Status PodTest::WarmUp() {
  const CgroupLayout layout = CRISP_TRY(CgroupLayout::Detect());
  if (!UsesSystemd()) {
    CRISP_RETURN_IF_ERROR(CgroupDir(&layout, daemon_->default_cgroup_parent()).EnsureCreated());
  }
  static bool warm = false;
  if (std::exchange(warm, true)) return OkStatus();
  v1::PodSandboxConfig config = SandboxConfig("warm-up");
  auto* port = config.add_port_mappings();
  port->set_container_port(1);
  port->set_host_port(1);
  const std::string pod = CRISP_TRY(TryRunPod(config));
  const std::string container =
      CRISP_TRY(TryCreate(pod, ContainerConfig("warm-up", {"true"}), config));
  CRISP_RETURN_IF_ERROR(TryStart(container));
  CRISP_RETURN_IF_ERROR(TryStopPod(pod));
  return TryRemovePod(pod);
}

Status PodTest::Build() {
  // Several tests of one process never see each other's files.
  static int tests = 0;
  TestDaemonOptions options;
  options.runtime = Runtime();
  options.directory = Cat("/run/t", ++tests);
  options.more_config = MoreConfig();
  daemon_ = std::make_unique<TestDaemon>(options);
  CRISP_RETURN_IF_ERROR(daemon_->Prepare());
  CRISP_RETURN_IF_ERROR(BeforeStart());
  const std::string image = CRISP_TRY(EnsureBusyboxLayout());
  CRISP_RETURN_IF_ERROR(daemon_->Start());
  RunOutput imported = CRISP_TRY(daemon_->Crisp({"image", "import"}, {image}));
  if (!imported.status.success()) {
    return Internal("crisp image import: ", imported.stdout_data, imported.stderr_data);
  }
  CRISP_RETURN_IF_ERROR(WarmUp());
  // Monitors and plugins may still be ending: the count is taken when it is still.
  std::optional<Census> last;
  Eventually([&] {
    Census now = Census::Take(*daemon_);
    const bool still = last.has_value() && *last == now;
    last = std::move(now);
    if (!still) ::poll(nullptr, 0, 100);
    return still;
  });
  before_ = std::move(last);
  return OkStatus();
}

void PodTest::TearDown() {
  if (daemon_ == nullptr) return;
  if (before_.has_value()) {
    if (!daemon_->running()) {
      EXPECT_THAT(daemon_->Start(), IsOk());
    }
    RemoveAllPods();
    EXPECT_EQ(AwaitCensus(*daemon_, *before_), "") << "left behind by this test";
    EXPECT_THAT(daemon_->StopGracefully(), IsOk());
  }
  if (HasFailure() || std::getenv("CRISP_TEST_LOG") != nullptr)
    std::printf("--- crispd.log\n%s\n---\n", daemon_->Log().c_str());
  daemon_.reset();
}

v1::PodSandboxConfig PodTest::SandboxConfig(const std::string& name) const {
  v1::PodSandboxConfig config;
  auto* metadata = config.mutable_metadata();
  metadata->set_name(name);
  metadata->set_uid(Cat("uid-", name));
  metadata->set_namespace_("test");
  config.set_hostname(name);
  config.set_log_directory(Cat(daemon_->log_dir(), "/test_", name));
  (*config.mutable_labels())["io.kubernetes.pod.name"] = name;
  (*config.mutable_labels())["io.kubernetes.pod.uid"] = metadata->uid();
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::CONTAINER);
  return config;
}

v1::ContainerConfig PodTest::ContainerConfig(const std::string& name,
                                             const std::vector<std::string>& command) const {
  v1::ContainerConfig config;
  config.mutable_metadata()->set_name(name);
  config.mutable_image()->set_image(kBusybox);
  config.mutable_image()->set_user_specified_image("busybox");
  for (const std::string& argument : command) config.add_command(argument);
  config.set_log_path(Cat(name, "/0.log"));
  (*config.mutable_labels())["io.kubernetes.container.name"] = name;
  auto* linux = config.mutable_linux();
  linux->mutable_resources()->set_memory_limit_in_bytes(kMemoryLimit_bytes);
  linux->mutable_security_context()->mutable_namespace_options()->set_pid(v1::CONTAINER);
  return config;
}

v1::ContainerConfig PodTest::ShellConfig(const std::string& name, const std::string& script) const {
  return ContainerConfig(name, {"sh", "-c", script});
}

Result<std::string> PodTest::TryRunPod(const v1::PodSandboxConfig& config,
                                       const std::string& handler, Duration limit) {
  v1::RunPodSandboxRequest request;
  *request.mutable_config() = config;
  request.set_runtime_handler(handler);
  return CRISP_TRY(client().Call(request, limit)).pod_sandbox_id();
}

Result<std::string> PodTest::TryCreate(const std::string& pod, const v1::ContainerConfig& config,
                                       const v1::PodSandboxConfig& sandbox, Duration limit) {
  v1::CreateContainerRequest request;
  request.set_pod_sandbox_id(pod);
  *request.mutable_config() = config;
  *request.mutable_sandbox_config() = sandbox;
  return CRISP_TRY(client().Call(request, limit)).container_id();
}

Status PodTest::TryStart(const std::string& container, Duration limit) {
  v1::StartContainerRequest request;
  request.set_container_id(container);
  return client().Call(request, limit).status();
}

Status PodTest::TryStop(const std::string& container, int64_t timeout_s, Duration limit) {
  v1::StopContainerRequest request;
  request.set_container_id(container);
  request.set_timeout(timeout_s);
  return client().Call(request, limit).status();
}

Status PodTest::TryRemove(const std::string& container, Duration limit) {
  v1::RemoveContainerRequest request;
  request.set_container_id(container);
  return client().Call(request, limit).status();
}

Status PodTest::TryStopPod(const std::string& pod, Duration limit) {
  v1::StopPodSandboxRequest request;
  request.set_pod_sandbox_id(pod);
  return client().Call(request, limit).status();
}

Status PodTest::TryRemovePod(const std::string& pod, Duration limit) {
  v1::RemovePodSandboxRequest request;
  request.set_pod_sandbox_id(pod);
  return client().Call(request, limit).status();
}

Result<v1::ExecSyncResponse> PodTest::TryExec(const std::string& container,
                                              const std::vector<std::string>& command,
                                              int64_t timeout_s, Duration limit) {
  v1::ExecSyncRequest request;
  request.set_container_id(container);
  for (const std::string& argument : command) request.add_cmd(argument);
  request.set_timeout(timeout_s);
  return client().Call(request, limit);
}

std::string PodTest::RunPod(const v1::PodSandboxConfig& config, const std::string& handler) {
  return Must(TryRunPod(config, handler), "RunPod");
}

std::string PodTest::CreateContainer(const std::string& pod, const v1::ContainerConfig& config,
                                     const v1::PodSandboxConfig& sandbox) {
  return Must(TryCreate(pod, config, sandbox), "CreateContainer");
}

std::string PodTest::StartContainer(const std::string& pod, const v1::ContainerConfig& config,
                                    const v1::PodSandboxConfig& sandbox) {
  const std::string container = CreateContainer(pod, config, sandbox);
  if (!container.empty()) {
    EXPECT_THAT(TryStart(container), IsOk());
  }
  return container;
}

v1::ContainerStatus PodTest::StatusOf(const std::string& container) {
  v1::ContainerStatusRequest request;
  request.set_container_id(container);
  return Must(client().Call(request), "StatusOf").status();
}

v1::PodSandboxStatus PodTest::PodStatusOf(const std::string& pod) {
  v1::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(pod);
  return Must(client().Call(request), "PodStatusOf").status();
}

std::string PodTest::Shell(const std::string& container, const std::string& script) {
  const v1::ExecSyncResponse response = Must(TryExec(container, {"sh", "-c", script}), "Shell");
  EXPECT_EQ(response.exit_code(), 0) << script << "\n" << response.stderr();
  EXPECT_EQ(response.stderr(), "") << script;
  return response.stdout();
}

std::string PodTest::RunToEnd(const v1::PodSandboxConfig& sandbox,
                              v1::ContainerConfig container_config) {
  const std::string pod = RunPod(sandbox);
  const std::string container = StartContainer(pod, container_config, sandbox);
  if (container.empty()) return "";
  AwaitExit(container);
  std::string text = LogText(LogPath(sandbox, container_config));
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  return text;
}

v1::ContainerStatus PodTest::AwaitExit(const std::string& container, Duration limit) {
  v1::ContainerStatus status;
  const bool exited = Eventually(
      [&] {
        status = StatusOf(container);
        return status.state() == v1::CONTAINER_EXITED || HasFatalFailure();
      },
      limit);
  EXPECT_TRUE(exited) << "container does not exit";
  return status;
}

std::string PodTest::LogPath(const v1::PodSandboxConfig& sandbox,
                             const v1::ContainerConfig& container) const {
  return Cat(sandbox.log_directory(), "/", container.log_path());
}

std::vector<LogLine> PodTest::ReadLog(const std::string& path) {
  const std::string text = Must(ReadFile(path, 1u << 30), "ReadLog");
  std::vector<LogLine> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    const size_t a = text.find(' ', begin);
    const size_t b = a == std::string::npos ? a : text.find(' ', a + 1);
    const size_t c = b == std::string::npos ? b : text.find(' ', b + 1);
    if (end == std::string::npos || c == std::string::npos || c > end) {
      ADD_FAILURE() << path << ": not a log line: " << text.substr(begin, 200);
      break;
    }
    lines.push_back({text.substr(begin, a - begin), text.substr(a + 1, b - a - 1),
                     text.substr(b + 1, c - b - 1), text.substr(c + 1, end - c - 1)});
    begin = end + 1;
  }
  return lines;
}

std::string PodTest::LogText(const std::string& path, const std::string& stream) {
  std::string text;
  for (const LogLine& line : ReadLog(path)) {
    if (line.stream == stream) text += line.content + (line.tag == "F" ? "\n" : "");
  }
  return text;
}

void PodTest::LiveBeside(const std::string& name) {
  const MonoTime begin = MonoNow();
  const auto sandbox = SandboxConfig(name);
  const std::string pod = RunPod(sandbox);
  const std::string id =
      StartContainer(pod, ShellConfig("c", "echo in the log; exec top"), sandbox);
  EXPECT_EQ(Shell(id, "echo works"), "works\n");
  const std::string log = LogPath(sandbox, ContainerConfig("c", {}));
  EXPECT_TRUE(Eventually([&] { return LogText(log).starts_with("in the log\n"); }));
  EXPECT_THAT(TryStop(id, 0), IsOk());
  EXPECT_THAT(TryStopPod(pod), IsOk());
  EXPECT_THAT(TryRemovePod(pod), IsOk());
  EXPECT_LT(MonoNow() - begin, Patient(kClientLimit));
}

void PodTest::RemoveAllPods() {
  const v1::ListPodSandboxResponse pods =
      Must(client().Call(v1::ListPodSandboxRequest()), "ListPodSandbox");
  for (const v1::PodSandbox& pod : pods.items()) {
    EXPECT_THAT(TryStopPod(pod.id()), IsOk());
    EXPECT_THAT(TryRemovePod(pod.id()), IsOk());
  }
}

void PodTest::KillAndRestart(const std::string& failpoints) {
  daemon_->Kill();
  const Status started = daemon_->Start(failpoints);
  ASSERT_TRUE(started.ok()) << started.ToString();
}

int PodTest::PidOf(const std::string& container) {
  v1::ContainerStatusRequest request;
  request.set_container_id(container);
  request.set_verbose(true);
  const v1::ContainerStatusResponse response =
      Must(client().Call(request), "ContainerStatus verbose");
  const auto info = response.info().find("info");
  if (info == response.info().end()) return 0;
  const size_t at = info->second.find("\"pid\":");
  return at == std::string::npos ? 0 : std::atoi(info->second.c_str() + at + 6);
}

}  // namespace crisp::test
