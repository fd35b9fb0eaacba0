#include "tests/bench/load.h"

#include <algorithm>

#include "base/core/file.h"
#include "base/ids.h"

namespace crisp::bench {

Load::Load(const Options& options)
    : options_(options), run_(RandomHex(4)), client_(options.endpoint) {}

Samples& Load::samples(const std::string& name) {
  std::lock_guard lock(mutex_);
  return samples_[name];
}

Result<Pod> Load::BringUp(const std::vector<std::string>& command, const std::string& log_path,
                          const std::vector<v1::Mount>& mounts) {
  Pod pod;
  {
    std::lock_guard lock(mutex_);
    pod.config.mutable_metadata()->set_name(Cat("bench-", run_, "-", ++made_));
  }
  pod.config.mutable_metadata()->set_uid(pod.config.metadata().name());
  pod.config.mutable_metadata()->set_namespace_("cri-bench");
  pod.config.set_hostname("bench");
  pod.config.set_log_directory(Cat(options_.log_root, "/", pod.config.metadata().name()));
  CRISP_RETURN_IF_ERROR(EnsureDirectory(pod.config.log_directory()));
  auto* linux = pod.config.mutable_linux();
  linux->set_cgroup_parent(options_.cgroup_parent);
  linux->mutable_security_context()->mutable_namespace_options()->set_pid(v1::CONTAINER);
  v1::RunPodSandboxRequest run;
  *run.mutable_config() = pod.config;
  run.set_runtime_handler(options_.handler);
  const MonoTime start = MonoNow();
  pod.id = CRISP_TRY(Call("RunPodSandbox", run)).pod_sandbox_id();
  {
    std::lock_guard lock(mutex_);
    standing_.push_back(pod.id);
  }
  v1::CreateContainerRequest create;
  create.set_pod_sandbox_id(pod.id);
  *create.mutable_sandbox_config() = pod.config;
  auto* config = create.mutable_config();
  config->mutable_metadata()->set_name("main");
  config->mutable_image()->set_image(options_.image);
  for (const std::string& argument : command) config->add_command(argument);
  for (const v1::Mount& mount : mounts) *config->add_mounts() = mount;
  config->set_log_path(log_path.empty() ? "main.log" : log_path);
  config->mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(
      v1::CONTAINER);
  pod.container = CRISP_TRY(Call("CreateContainer", create)).container_id();
  v1::StartContainerRequest begin;
  begin.set_container_id(pod.container);
  CRISP_RETURN_IF_ERROR(Call("StartContainer", begin).status());
  samples("up: Run + Create + Start").Add(MonoNow() - start);
  return pod;
}

Status Load::TakeDown(const Pod& pod) {
  const MonoTime start = MonoNow();
  v1::StopContainerRequest stop;
  stop.set_container_id(pod.container);
  CRISP_RETURN_IF_ERROR(Call("StopContainer", stop).status());
  v1::RemoveContainerRequest remove;
  remove.set_container_id(pod.container);
  CRISP_RETURN_IF_ERROR(Call("RemoveContainer", remove).status());
  v1::StopPodSandboxRequest stop_pod;
  stop_pod.set_pod_sandbox_id(pod.id);
  CRISP_RETURN_IF_ERROR(Call("StopPodSandbox", stop_pod).status());
  v1::RemovePodSandboxRequest remove_pod;
  remove_pod.set_pod_sandbox_id(pod.id);
  CRISP_RETURN_IF_ERROR(Call("RemovePodSandbox", remove_pod).status());
  samples("down: Stop + Remove").Add(MonoNow() - start);
  std::lock_guard lock(mutex_);
  std::erase(standing_, pod.id);
  return OkStatus();
}

void Load::RemoveAll() {
  std::vector<std::string> standing;
  {
    std::lock_guard lock(mutex_);
    standing.swap(standing_);
  }
  for (const std::string& id : standing) {
    v1::StopPodSandboxRequest stop;
    stop.set_pod_sandbox_id(id);
    (void)client_.Call(stop, kLimit);
    v1::RemovePodSandboxRequest remove;
    remove.set_pod_sandbox_id(id);
    (void)client_.Call(remove, kLimit);
  }
}

}  // namespace crisp::bench
