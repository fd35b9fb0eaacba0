#include "pod/messages.h"

#include <google/protobuf/util/json_util.h>

#include "base/utf8.h"
#include "oci/spec_builder.h"
#include "pod/container_request.h"

namespace crisp::pod {
namespace {

v1::PodSandboxState ToCri(SandboxState state) {
  return state == SandboxState::kReady ? v1::SANDBOX_READY : v1::SANDBOX_NOTREADY;
}

v1::ContainerState ToCri(ContainerState state) {
  switch (state) {
    case ContainerState::kCreating:
    case ContainerState::kCreated:
      return v1::CONTAINER_CREATED;
    case ContainerState::kRunning:
      return v1::CONTAINER_RUNNING;
    case ContainerState::kExited:
      return v1::CONTAINER_EXITED;
  }
  return v1::CONTAINER_UNKNOWN;
}

// A label selector asks for equal entries (cri-contract section 2).
template <typename Labels>
bool LabelsMatch(const Labels& selector, const Labels& labels) {
  for (const auto& [key, value] : selector) {
    const auto it = labels.find(key);
    if (it == labels.end() || it->second != value) return false;
  }
  return true;
}

std::string ToJson(const google::protobuf::Message& message) {
  std::string out;
  if (!google::protobuf::util::MessageToJsonString(message, &out).ok()) return "{}";
  return out;
}

// Only for strings that we made: ids, paths, names of states.
std::string Quoted(const std::string& text) { return Cat('"', text, '"'); }

}  // namespace

void FillPodSandbox(const Sandbox& sandbox, v1::PodSandbox* out) {
  const v1::PodSandboxConfig& config = sandbox.config();
  out->set_id(sandbox.id().str());
  *out->mutable_metadata() = config.metadata();
  out->set_state(ToCri(sandbox.state()));
  out->set_created_at(sandbox.created_at_ns());
  *out->mutable_labels() = config.labels();
  *out->mutable_annotations() = config.annotations();
  out->set_runtime_handler(sandbox.requested_handler());
}

void FillPodSandboxStatus(const Sandbox& sandbox, v1::PodSandboxStatus* out) {
  const v1::PodSandboxConfig& config = sandbox.config();
  const SandboxState state = sandbox.state();
  out->set_id(sandbox.id().str());
  *out->mutable_metadata() = config.metadata();
  out->set_state(ToCri(state));
  out->set_created_at(sandbox.created_at_ns());
  v1::PodSandboxNetworkStatus& network = *out->mutable_network();
  if (state == SandboxState::kReady && !sandbox.host_network()) {
    const network::PodAddresses addresses = sandbox.addresses();
    network.set_ip(addresses.primary);
    for (const std::string& ip : addresses.additional) network.add_additional_ips()->set_ip(ip);
  }
  *out->mutable_linux()->mutable_namespaces()->mutable_options() =
      config.linux().security_context().namespace_options();
  *out->mutable_labels() = config.labels();
  *out->mutable_annotations() = config.annotations();
  out->set_runtime_handler(sandbox.requested_handler());
}

void FillContainer(const Container& container, v1::Container* out) {
  const v1::ContainerConfig& config = container.config();
  out->set_id(container.id().str());
  out->set_pod_sandbox_id(container.sandbox()->id().str());
  *out->mutable_metadata() = config.metadata();
  *out->mutable_image() = config.image();
  container.View([&](const ContainerRow& row) {
    out->set_image_ref(row.image_ref);
    out->set_image_id(row.image_id);
    out->set_state(ToCri(row.state));
    out->set_created_at(row.created_at_ns);
  });
  *out->mutable_labels() = config.labels();
  *out->mutable_annotations() = config.annotations();
}

void FillContainerStatus(const Container& container, v1::ContainerStatus* out) {
  const v1::ContainerConfig& config = container.config();
  out->set_id(container.id().str());
  *out->mutable_metadata() = config.metadata();
  *out->mutable_image() = config.image();
  *out->mutable_labels() = config.labels();
  *out->mutable_annotations() = config.annotations();
  *out->mutable_mounts() = config.mounts();
  out->set_log_path(container.LogPath());
  container.View([&](const ContainerRow& row) {
    out->mutable_image()->set_image(row.image_name);
    out->set_image_ref(row.image_ref);
    out->set_image_id(row.image_id);
    out->set_state(ToCri(row.state));
    out->set_created_at(row.created_at_ns);
    out->set_started_at(row.started_at_ns);
    if (row.state == ContainerState::kExited) {
      out->set_finished_at(row.finished_at_ns);
      out->set_exit_code(row.exit_code);
      out->set_reason(row.reason);
      out->set_message(SanitizeUtf8(row.message));  // it may quote a file's name, or be cut
    }
    *out->mutable_resources()->mutable_linux() = row.resources;
    v1::LinuxContainerUser& user = *out->mutable_user()->mutable_linux();
    user.set_uid(row.user.uid);
    user.set_gid(row.user.gid);
    // Each group once, the primary one included (cri-contract 9.3).
    user.add_supplemental_groups(row.user.gid);
    for (uint32_t gid : row.user.additional_gids) {
      if (gid != row.user.gid) user.add_supplemental_groups(gid);
    }
    v1::Signal signal = v1::SIGNAL_RUNTIME_DEFAULT;
    if (v1::Signal_Parse(Cat("SIGNAL_", oci::CriSignalName(row.stop_signal)), &signal)) {
      out->set_stop_signal(signal);
    }
  });
}

std::string SandboxInfoJson(const Sandbox& sandbox) {
  const oci::MonitorProcess init = sandbox.init_process();
  return Cat("{\"pid\":", init.container_pid, ",\"runtimeHandler\":", Quoted(sandbox.row().handler),
             ",\"networkNamespace\":", Quoted(sandbox.host_network() ? "" : sandbox.paths().net()),
             sandbox.selinux_level().empty()
                 ? std::string()
                 : Cat(",\"selinuxLevel\":", Quoted(sandbox.selinux_level())),
             ",\"config\":", ToJson(sandbox.row().config), "}");
}

std::string ContainerInfoJson(const Container& container) {
  const ContainerRow row = container.row();
  auto spec = ReadFile(container.paths().config_json());
  return Cat("{\"sandboxID\":", Quoted(row.sandbox.str()),
             ",\"pid\":", row.state == ContainerState::kExited ? 0 : row.process.container_pid,
             ",\"monitorPid\":", row.process.monitor_pid,
             ",\"rootfs\":", Quoted(container.paths().rootfs()), ",\"config\":", ToJson(row.config),
             ",\"runtimeSpec\":", spec.ok() ? *spec : std::string("{}"), "}");
}

bool Matches(const v1::PodSandboxFilter& filter, const Sandbox& sandbox) {
  if (!filter.id().empty() && !sandbox.id().str().starts_with(filter.id())) return false;
  if (filter.has_state() && filter.state().state() != ToCri(sandbox.state())) return false;
  return LabelsMatch(filter.label_selector(), sandbox.config().labels());
}

bool Matches(const v1::ContainerFilter& filter, const Container& container) {
  if (!filter.id().empty() && !container.id().str().starts_with(filter.id())) return false;
  if (!filter.pod_sandbox_id().empty() &&
      !container.sandbox()->id().str().starts_with(filter.pod_sandbox_id())) {
    return false;
  }
  if (filter.has_state() && filter.state().state() != ToCri(container.state())) return false;
  return LabelsMatch(filter.label_selector(), container.config().labels());
}

bool Matches(const v1::ContainerStatsFilter& filter, const Container& container) {
  if (!filter.id().empty() && !container.id().str().starts_with(filter.id())) return false;
  if (!filter.pod_sandbox_id().empty() &&
      !container.sandbox()->id().str().starts_with(filter.pod_sandbox_id())) {
    return false;
  }
  return LabelsMatch(filter.label_selector(), container.config().labels());
}

void MergeLimits(const v1::LinuxContainerResources& update, v1::LinuxContainerResources* current) {
  const oci::LinuxResources merged =
      oci::MergeResources(ToOciResources(*current), ToOciResources(update));
  current->set_cpu_shares(static_cast<int64_t>(merged.cpu_shares.value_or(0)));
  current->set_cpu_quota(merged.cpu_quota_us.value_or(0));
  current->set_cpu_period(static_cast<int64_t>(merged.cpu_period_us.value_or(0)));
  current->set_cpuset_cpus(merged.cpuset_cpus);
  current->set_cpuset_mems(merged.cpuset_mems);
  current->set_memory_limit_in_bytes(merged.memory_limit_bytes.value_or(0));
  current->set_memory_swap_limit_in_bytes(merged.memory_swap_bytes.value_or(0));
  current->clear_hugepage_limits();
  for (const oci::HugepageLimit& limit : merged.hugepage_limits) {
    v1::HugepageLimit* out = current->add_hugepage_limits();
    out->set_page_size(limit.page_size);
    out->set_limit(limit.limit_bytes);
  }
  for (const auto& [key, value] : merged.unified) (*current->mutable_unified())[key] = value;
}

}  // namespace crisp::pod
