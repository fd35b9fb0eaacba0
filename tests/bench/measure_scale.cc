#include <poll.h>
#include <signal.h>

#include "base/core/child_process.h"
#include "base/core/pidfd.h"
#include "tests/bench/measure.h"

namespace crisp::bench {
namespace {

constexpr int kCalls = 500;
constexpr int kRestarts = 10;
constexpr auto kRestartLimit = std::chrono::seconds(60);

Status TimeReads(Load* load, const std::vector<Pod>& pods) {
  for (int i = 0; i < kCalls; ++i) {
    const Pod& pod = pods[static_cast<size_t>(i) % pods.size()];
    v1::PodSandboxStatusRequest pod_status;
    pod_status.set_pod_sandbox_id(pod.id);
    v1::ContainerStatusRequest container_status;
    container_status.set_container_id(pod.container);
    CRISP_RETURN_IF_ERROR(load->Call("Version", v1::VersionRequest()).status());
    CRISP_RETURN_IF_ERROR(load->Call("Status", v1::StatusRequest()).status());
    CRISP_RETURN_IF_ERROR(load->Call("ListPodSandbox", v1::ListPodSandboxRequest()).status());
    CRISP_RETURN_IF_ERROR(load->Call("ListContainers", v1::ListContainersRequest()).status());
    CRISP_RETURN_IF_ERROR(load->Call("PodSandboxStatus", pod_status).status());
    CRISP_RETURN_IF_ERROR(load->Call("ContainerStatus", container_status).status());
    CRISP_RETURN_IF_ERROR(load->Call("ListImages", v1::ListImagesRequest()).status());
    if (i % 25 == 0) {  // reads cgroup files
      CRISP_RETURN_IF_ERROR(
          load->Call("ListContainerStats", v1::ListContainerStatsRequest()).status());
    }
  }
  return OkStatus();
}

Status ReportMemory(const Options& options, const std::string& section, Report* report) {
  const int daemon = CRISP_TRY(DaemonPid(options.endpoint));
  report->Add(section, "daemon PSS", static_cast<double>(CRISP_TRY(PssKib(daemon))) / 1024, "MiB");
  const std::vector<int> monitors = FindProcesses(options.monitors);
  int64_t sum = 0;
  for (const int pid : monitors) sum += CRISP_TRY(PssKib(pid));
  report->Add(section, "monitors", static_cast<double>(monitors.size()), "processes");
  if (!monitors.empty()) {
    report->Add(section, "monitor PSS, mean",
                static_cast<double>(sum) / static_cast<double>(monitors.size()), "KiB");
  }
  return OkStatus();
}

Status KillDaemon(const std::string& socket) {
  const int pid = CRISP_TRY(DaemonPid(socket));
  const UniqueFd pidfd(::pidfd_open(pid, 0));
  if (!pidfd || ::pidfd_send_signal(pidfd.get(), SIGKILL, nullptr, 0) != 0) {
    return Errno("kill the daemon ", pid);
  }
  pollfd gone{pidfd.get(), POLLIN, 0};
  return ::poll(&gone, 1, 10'000) == 1 ? OkStatus() : Internal("the daemon does not die");
}

// From the start of a new daemon until it lists all containers.
Result<bool> Restart(const Options& options, size_t containers) {
  RunOptions run;
  run.argv = {"/bin/sh", "-c", Cat(options.restart, " </dev/null >/dev/null 2>&1 &")};
  CRISP_RETURN_IF_ERROR(crisp::Run(run).status());
  const MonoTime end = MonoNow() + kRestartLimit;
  while (MonoNow() < end) {
    test::CriClient client(options.endpoint);  // a new one does not wait before it tries again
    const auto list = client.Call(v1::ListContainersRequest());
    if (list.ok() && static_cast<size_t>(list->containers_size()) >= containers) return true;
    ::poll(nullptr, 0, 1);
  }
  return Unavailable("no daemon that lists ", containers, " containers after '", options.restart,
                     "'");
}

Status MeasureRestarts(const Options& options, size_t containers, const std::string& section,
                       Report* report) {
  if (options.restart.empty()) return OkStatus();
  Samples samples;
  for (int i = 0; i < kRestarts; ++i) {
    CRISP_RETURN_IF_ERROR(KillDaemon(options.endpoint));
    CRISP_RETURN_IF_ERROR(Timed(&samples, [&] { return Restart(options, containers); }).status());
  }
  report->Add(section, "listed after SIGKILL and start", samples);
  return OkStatus();
}

}  // namespace

Status MeasureScale(const Options& options, Report* report) {
  Load load(options);
  std::vector<Pod> pods;
  for (int i = 0; i < options.scale; ++i) {
    pods.push_back(CRISP_TRY(load.BringUp({"sleep", "1000000"})));
  }
  const std::string section = Cat("at ", options.scale, " pods");
  CRISP_RETURN_IF_ERROR(TimeReads(&load, pods));
  for (const char* name :
       {"Version", "Status", "ListPodSandbox", "ListContainers", "PodSandboxStatus",
        "ContainerStatus", "ListImages", "ListContainerStats"}) {
    report->Add(section, name, load.samples(name));
  }
  CRISP_RETURN_IF_ERROR(ReportMemory(options, section, report));
  CRISP_RETURN_IF_ERROR(MeasureRestarts(options, pods.size(), section, report));
  for (const Pod& pod : pods) CRISP_RETURN_IF_ERROR(load.TakeDown(pod));
  return OkStatus();
}

Status MeasureMemory(const Options& options, Report* report) {
  CRISP_RETURN_IF_ERROR(ReportMemory(options, "memory, idle", report));
  Load load(options);
  const Pod pod = CRISP_TRY(load.BringUp({"sleep", "1000000"}));
  CRISP_RETURN_IF_ERROR(ReportMemory(options, "memory, one pod", report));
  return load.TakeDown(pod);
}

}  // namespace crisp::bench
