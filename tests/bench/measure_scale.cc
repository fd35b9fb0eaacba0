#include "tests/bench/measure.h"

namespace crisp::bench {
namespace {

constexpr int kCalls = 500;

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
