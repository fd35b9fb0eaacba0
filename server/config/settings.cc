#include "server/config/settings.h"

#include <algorithm>

#include "server/config/codec.h"
#include "server/config/container_codec.h"
#include "server/config/device_codec.h"
#include "server/config/registry_codec.h"
#include "server/config/setting_make.h"

namespace crisp::config {
namespace {

void AddPlaces(std::vector<Setting>* out) {
  out->push_back(Make("root", AbsolutePathCodec(), kRestart,
                      "Directory for what survives a reboot: images, containers, databases.",
                      CRISP_FIELD(root)));
  out->push_back(Make("state", AbsolutePathCodec(), kRestart,
                      "Directory for what ends with a reboot: sockets, namespaces, mounts.",
                      CRISP_FIELD(state)));
  out->push_back(Make("socket.path", AbsolutePathCodec(), kRestart,
                      "Unix socket of the CRI (at most 107 bytes).", CRISP_FIELD(socket.path),
                      "<state>/crisp.sock"));
  out->push_back(Make("socket.mode", FileModeCodec(), kRestart, "File mode of the socket.",
                      CRISP_FIELD(socket.mode)));
  out->push_back(Make("socket.group", TextCodec("group name"), kRestart,
                      "Group of the socket. Its members are as good as root. \"\": the daemon's.",
                      CRISP_FIELD(socket.group)));
}

void AddLog(std::vector<Setting>* out) {
  out->push_back(Make("log.level",
                      OneOfCodec<log::Level>({{"trace", log::Level::kTrace},
                                              {"debug", log::Level::kDebug},
                                              {"info", log::Level::kInfo},
                                              {"warning", log::Level::kWarning},
                                              {"error", log::Level::kError}}),
                      kReloadable, "Least important messages that are written.",
                      CRISP_FIELD(log.level)));
  out->push_back(Make(
      "log.format", OneOfCodec<LogFormat>({{"text", LogFormat::kText}, {"json", LogFormat::kJson}}),
      kReloadable, "One line for each message: key=value text, or a JSON object.",
      CRISP_FIELD(log.format)));
  out->push_back(Make("log.target", PathOrWordCodec("stderr"), kReloadable,
                      "Where messages go. A reload opens the file again (log rotation).",
                      CRISP_FIELD(log.target)));
}

void AddRuntimes(std::vector<Setting>* out) {
  out->push_back(Make("default_runtime", TextCodec("name of a runtime"), kRestart,
                      "Runtime handler of pods that name none.", CRISP_FIELD(default_runtime),
                      "the only one; else crun if it works here, else runc"));
  out->push_back(Make("runtimes.*.path", ProgramCodec(), kRestart, "The OCI runtime's program.",
                      CRISP_NAMED_FIELD(runtimes, path), "the handler's name, found in PATH"));
  out->push_back(Make("runtimes.*.root", AbsolutePathCodec(), kRestart,
                      "The runtime's own state directory (its --root).",
                      CRISP_NAMED_FIELD(runtimes, root), "<state>/runtime/<name>"));
  out->push_back(Make("runtimes.*.sandbox",
                      OneOfCodec<SandboxKind>({{"namespaces", SandboxKind::kNamespaces},
                                               {"process", SandboxKind::kProcess}}),
                      kRestart,
                      "What a pod is to the runtime: pinned namespaces, or a container of its own "
                      "that comes first.",
                      CRISP_NAMED_FIELD(runtimes, sandbox)));
  AddHandlers(out);
  out->push_back(Make("cgroup_driver",
                      OneOfCodec<CgroupDriver>({{"cgroupfs", CgroupDriver::kCgroupfs},
                                                {"systemd", CgroupDriver::kSystemd}}),
                      kRestart,
                      "Who makes the containers' cgroups. The kubelet adopts it (RuntimeConfig).",
                      CRISP_FIELD(cgroup_driver)));
  out->push_back(Make("default_cgroup_parent", CgroupPathCodec(), kRestart,
                      "Cgroup of pods that name no parent. With systemd it ends in .slice.",
                      CRISP_FIELD(default_cgroup_parent), "/crisp, or /crisp.slice with systemd"));
  static constexpr char kBeside[] = "beside crispd, else in libexec/crisp";
  out->push_back(Make("binaries.monitor", AbsolutePathCodec(), kRestart,
                      "crisp-monitor, the process that owns a container's stdio and exit.",
                      CRISP_FIELD(binaries.monitor), kBeside));
  out->push_back(Make("binaries.init", AbsolutePathCodec(), kRestart,
                      "crisp-init, the first process of pods with a shared PID namespace.",
                      CRISP_FIELD(binaries.init), kBeside));
  out->push_back(Make("binaries.pull", AbsolutePathCodec(), kRestart,
                      "crisp-pull, the process that fetches and unpacks an image.",
                      CRISP_FIELD(binaries.pull), kBeside));
}

void AddNetwork(std::vector<Setting>* out) {
  out->push_back(Make("network.config_dir", AbsolutePathCodec(), kRestart,
                      "Directory of the CNI configuration; watched.",
                      CRISP_FIELD(network.config_dir)));
  out->push_back(Make("network.plugin_dirs", ListCodec(AbsolutePathCodec()), kRestart,
                      "Directories of the CNI plugins, searched in order.",
                      CRISP_FIELD(network.plugin_dirs)));
  out->push_back(Make("network.prefer",
                      OneOfCodec<AddressPreference>({{"ipv4", AddressPreference::kIpv4},
                                                     {"ipv6", AddressPreference::kIpv6},
                                                     {"cni", AddressPreference::kCni}}),
                      kRestart, "Which address of a pod is its primary one (cni: the first).",
                      CRISP_FIELD(network.prefer)));
  out->push_back(Make("network.plugin_timeout",
                      DurationCodec(std::chrono::seconds(1), std::chrono::hours(1)), kRestart,
                      "Time that one run of a CNI plugin may take.",
                      CRISP_FIELD(network.plugin_timeout)));
}

void AddRegistries(std::vector<Setting>* out) {
  out->push_back(
      Make("image.registries.*.mirrors", MirrorListCodec(), kReloadable,
           "Tried in order before the registry itself. Keys of a map: location, pull (all "
           "| digest-only | tag-only), override_path (the URL's path is the API's root) "
           "and the keys below; without those a mirror is reached as its own section "
           "here says.",
           CRISP_NAMED_FIELD(image.registries, mirrors)));
  out->push_back(Make("image.registries.*.plain_http", BooleanCodec(), kReloadable,
                      "Speak HTTP without TLS.", CRISP_NAMED_FIELD(image.registries, plain_http)));
  out->push_back(Make("image.registries.*.skip_tls_verify", BooleanCodec(), kReloadable,
                      "Accept any certificate.",
                      CRISP_NAMED_FIELD(image.registries, skip_tls_verify)));
  out->push_back(Make("image.registries.*.ca_file", AbsolutePathCodec(), kReloadable,
                      "Certificate authorities (PEM) instead of the system's.",
                      CRISP_NAMED_FIELD(image.registries, ca_file), "the system's"));
  out->push_back(Make("image.registries.*.client_cert_file", AbsolutePathCodec(), kReloadable,
                      "Certificate (PEM) to show to the registry.",
                      CRISP_NAMED_FIELD(image.registries, client_cert_file), "none"));
  out->push_back(Make("image.registries.*.client_key_file", AbsolutePathCodec(), kReloadable,
                      "Its key (PEM).", CRISP_NAMED_FIELD(image.registries, client_key_file),
                      "none"));
  out->push_back(Make("image.registries.*.headers", HeadersCodec(), kReloadable,
                      "Headers of every request to this address, and to no other.",
                      CRISP_NAMED_FIELD(image.registries, headers)));
  out->push_back(Make("image.registries.*.blocked", BooleanCodec(), kReloadable,
                      "Pull nothing from this registry, not from its mirrors either.",
                      CRISP_NAMED_FIELD(image.registries, blocked)));
  out->push_back(Make("image.registries_conf", OptionalPathCodec(), kRestart,
                      "containers-registries.conf(5), with the files of <path>.d; need not exist, "
                      "and is read again by a reload. Sections of image.registries win.",
                      CRISP_FIELD(image.registries_conf)));
  out->push_back(Make("image.certs_dirs", ListCodec(AbsolutePathCodec()), kRestart,
                      "Where <host>/hosts.toml, or <host>/ with *.crt, *.cert and *.key, is looked "
                      "for at every pull; the first directory that has the host.",
                      CRISP_FIELD(image.certs_dirs)));
  out->push_back(Make("image.auth_file", OptionalPathCodec(), kRestart,
                      "Credentials in docker's config.json format for pulls that bring none; read "
                      "at every pull.",
                      CRISP_FIELD(image.auth_file)));
  out->push_back(Make("image.namespace_auth_dir", OptionalPathCodec(), kRestart,
                      "Directory of <namespace>.json: such credentials for the pods of a "
                      "namespace; they win over auth_file.",
                      CRISP_FIELD(image.namespace_auth_dir)));
}

void AddSignatures(std::vector<Setting>* out) {
  out->push_back(Make("image.signature_policy", OptionalPathCodec(), kRestart,
                      "containers-policy.json(5): which images may be pulled, and who must have "
                      "signed them. Asked, and read anew, at every pull; not at imports, nor of "
                      "images that are here already. The default file need not exist, one that is "
                      "named here must.",
                      CRISP_FIELD(image.signature_policy)));
  out->push_back(Make("image.signature_policy_dir", OptionalPathCodec(), kRestart,
                      "Directory of <namespace>.json: the policy for the pods of a namespace, "
                      "instead of signature_policy.",
                      CRISP_FIELD(image.signature_policy_dir)));
  out->push_back(Make("image.decryption_keys_path", OptionalPathCodec(), kReloadable,
                      "Private keys (PEM) for encrypted images: the files of a directory, or one "
                      "file; a password in <file>.password. Not for others than owner and group; "
                      "need not exist; read when an image wants one.",
                      CRISP_FIELD(image.decryption_keys_path)));
  out->push_back(Make("image.registries_d", OptionalPathCodec(), kRestart,
                      "containers-registries.d(5): where signatures of images are; read where the "
                      "policy wants one.",
                      CRISP_FIELD(image.registries_d)));
}

void AddImage(std::vector<Setting>* out) {
  out->push_back(Make("image.parallel_layers", IntegerCodec(1, 16), kRestart,
                      "Layers of one pull that are fetched and unpacked at a time.",
                      CRISP_FIELD(image.parallel_layers)));
  out->push_back(Make("image.transfers", IntegerCodec(1, 64), kRestart,
                      "Layers of all pulls together that are fetched and unpacked at a time; "
                      "each pull has one in any case.",
                      CRISP_FIELD(image.transfers)));
  out->push_back(Make("image.parallel_ranges", IntegerCodec(1, 8), kRestart,
                      "Connections for a large layer that waits for the network, where the "
                      "registry knows ranges; one layer of a pull at a time has them. 1: never "
                      "more than one.",
                      CRISP_FIELD(image.parallel_ranges)));
  out->push_back(Make("image.max_layer_size", SizeCodec(1 << 20, int64_t{1} << 50), kRestart,
                      "A layer that is larger when it is uncompressed is refused.",
                      CRISP_FIELD(image.max_layer_bytes)));
  out->push_back(Make("image.stall_timeout",
                      DurationCodec(std::chrono::seconds(1), std::chrono::hours(1)), kRestart,
                      "A pull fails when nothing arrives for this long. Whole seconds.",
                      CRISP_FIELD(image.stall_timeout)));
  out->push_back(Make("image.pinned", ListCodec(TextCodec("image reference or pattern")),
                      kReloadable,
                      "Images that the kubelet's garbage collection must leave alone: a reference, "
                      "a beginning with '*' behind it, or a word between two '*'.",
                      CRISP_FIELD(image.pinned)));
}

void AddStreaming(std::vector<Setting>* out) {
  out->push_back(Make("streaming.address", AddressCodec(), kRestart,
                      "Where the server of exec, attach and port-forward listens; port 0: any free "
                      "one. Whoever gets hold of a URL may use it once: stay on loopback, or use "
                      "TLS. \"\": off.",
                      CRISP_FIELD(streaming.address)));
  out->push_back(Make("streaming.tls_cert", OptionalPathCodec(), kRestart,
                      "Certificate chain (PEM) for TLS. A reload, or a changed file, has it read "
                      "again; so with the next two.",
                      CRISP_FIELD(streaming.tls_cert)));
  out->push_back(Make("streaming.tls_key", OptionalPathCodec(), kRestart,
                      "Its private key (PEM, without a password).",
                      CRISP_FIELD(streaming.tls_key)));
  out->push_back(Make("streaming.tls_client_ca", OptionalPathCodec(), kRestart,
                      "Only clients with a certificate of these authorities (PEM) are served. "
                      "\"\": any client.",
                      CRISP_FIELD(streaming.tls_client_ca)));
  out->push_back(Make("streaming.max_sessions", IntegerCodec(1, 100000), kRestart,
                      "Connections with a session at a time.",
                      CRISP_FIELD(streaming.max_sessions)));
  out->push_back(Make("streaming.idle_timeout",
                      DurationCodec(std::chrono::seconds(1), std::chrono::hours(24 * 7)), kRestart,
                      "A connection ends when nothing comes or goes for this long.",
                      CRISP_FIELD(streaming.idle_timeout)));
}

void AddLimits(std::vector<Setting>* out) {
  out->push_back(Make("lanes.work", IntegerCodec(1, 256), kRestart,
                      "Pod and container operations at a time.", CRISP_FIELD(lanes.work)));
  out->push_back(Make("lanes.pull", IntegerCodec(1, 64), kRestart,
                      "Image pulls at a time; those that a slow registry keeps waiting do not "
                      "count, up to eight times as many in all.",
                      CRISP_FIELD(lanes.pull)));
  out->push_back(Make("lanes.exec", IntegerCodec(1, 256), kRestart,
                      "Commands that are being started in containers at a time.",
                      CRISP_FIELD(lanes.exec)));
  const auto timeout = DurationCodec(std::chrono::seconds(1), std::chrono::hours(1));
  out->push_back(Make("timeouts.runtime", timeout, kRestart,
                      "Time that one operation of an OCI runtime may take.",
                      CRISP_FIELD(timeouts.runtime)));
  out->push_back(Make("timeouts.kill", timeout, kRestart,
                      "Time from SIGKILL until a container's exit must be seen.",
                      CRISP_FIELD(timeouts.kill)));
  out->push_back(Make("timeouts.shutdown", timeout, kRestart,
                      "Time that running calls get when the daemon stops. Containers run on.",
                      CRISP_FIELD(timeouts.shutdown)));
}

void AddContainers(std::vector<Setting>* out) {
  out->push_back(Make("default_capabilities", ListCodec(TextCodec("capability")), kRestart,
                      "Capabilities of containers that are not privileged.",
                      CRISP_FIELD(default_capabilities)));
  out->push_back(Make("default_sysctls", SysctlMapCodec(), kRestart,
                      "Sysctls of pods, unless the pod sets them or shares the namespace with the "
                      "host. Allowed are net.*, kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*.",
                      CRISP_FIELD(default_sysctls)));
  out->push_back(Make("log_line_limit", SizeCodec(1 << 10, 1 << 20), kRestart,
                      "Longer lines of a container's log are written in parts.",
                      CRISP_FIELD(log_line_limit_bytes)));
  out->push_back(Make("shm_size", SizeCodec(64 << 10, int64_t{1} << 40), kRestart,
                      "Size of a pod's /dev/shm.", CRISP_FIELD(shm_size_bytes)));
  out->push_back(Make("metrics.address", AddressCodec(), kRestart,
                      "Prometheus metrics of the daemon at http://<address>/metrics. \"\": off.",
                      CRISP_FIELD(metrics_address)));
}

void AddResources(std::vector<Setting>* out) {
  out->push_back(Make("default_ulimits", UlimitListCodec(), kRestart,
                      "Resource limits of all containers' processes (setrlimit(2)). Without "
                      "CAP_SYS_RESOURCE hard limits are crispd's own at most.",
                      CRISP_FIELD(default_ulimits)));
  out->push_back(Make("pids_limit", IntegerCodec(0, int64_t{1} << 22), kRestart,
                      "Processes and threads of one container; 0: no limit but the pod's.",
                      CRISP_FIELD(pids_limit)));
  out->push_back(Make("writable_layer.size_limit", SizeCodec(0, int64_t{1} << 50), kRestart,
                      "What one container may write to its writable layer and to the volumes that "
                      "its image declares; 0B: no limit. Needs project quotas: root on ext4 with "
                      "the features project and quota, or on xfs, mounted with prjquota.",
                      CRISP_FIELD(writable_layer.size_limit_bytes)));
  out->push_back(Make("writable_layer.inode_limit", IntegerCodec(0, 4'000'000'000), kRestart,
                      "Files and directories in them, likewise; 0: no limit.",
                      CRISP_FIELD(writable_layer.inode_limit)));
  out->push_back(Make("writable_layer.first_project_id", IntegerCodec(1, 4'000'000'000), kRestart,
                      "First of the project ids that are crisp's alone on this file system, where "
                      "it has project quotas.",
                      CRISP_FIELD(writable_layer.first_project_id)));
  out->push_back(Make("writable_layer.project_ids", IntegerCodec(1, 200'000'000), kRestart,
                      "How many there are; each container has one.",
                      CRISP_FIELD(writable_layer.project_ids)));
  out->push_back(Make("blockio_config", OptionalPathCodec(), kRestart,
                      "File of block I/O classes (YAML, key Classes, as containerd and CRI-O read "
                      "it); pods ask by annotation blockio.resources.beta.kubernetes.io/pod or "
                      ".../container.<name>.",
                      CRISP_FIELD(blockio_config)));
  out->push_back(Make("rdt_classes", ListCodec(TextCodec("resctrl group")), kRestart,
                      "Groups below /sys/fs/resctrl that pods may ask for by annotation "
                      "rdt.resources.beta.kubernetes.io/pod or .../container.<name>.",
                      CRISP_FIELD(rdt_classes)));
  out->push_back(Make("seccomp_notifier", BooleanCodec(), kRestart,
                      "Pods may have the system calls that their seccomp profile blocks reported, "
                      "by annotation io.crisp.seccompNotifierAction (stop: and be stopped).",
                      CRISP_FIELD(seccomp_notifier)));
  out->push_back(Make(
      "selinux",
      OneOfCodec<SelinuxMode>(
          {{"auto", SelinuxMode::kAuto}, {"on", SelinuxMode::kOn}, {"off", SelinuxMode::kOff}}),
      kRestart,
      "Labels of containers and their files. auto: where the host has SELinux; on: "
      "crispd does not start without it.",
      CRISP_FIELD(selinux)));
  out->push_back(Make("infra_ctr_cpuset", CpuListCodec(), kRestart,
                      "CPUs of crisp's own processes in pods: monitors and crisp-init. \"\": all.",
                      CRISP_FIELD(infra_ctr_cpuset)));
  out->push_back(Make("own_cgroup_parent", OwnCgroupParentCodec(), kRestart,
                      "Cgroup below which the groups of crisp's own processes are made: monitors, "
                      "helpers (runtimes, plugins) and pulls.",
                      CRISP_FIELD(own_cgroup_parent)));
}

void AddWorkloads(std::vector<Setting>* out) {
  out->push_back(Make("workloads.*.activation_annotation", TextCodec("annotation"), kRestart,
                      "A pod with this annotation, whatever its value, is of the workload.",
                      CRISP_NAMED_FIELD(workloads, activation_annotation),
                      "target.workload.openshift.io/<name>"));
  out->push_back(Make("workloads.*.annotation_prefix", TextCodec("annotation prefix"), kRestart,
                      "<prefix>/<container> with a JSON object of cpushares, cpuquota, cpuperiod, "
                      "cpulimit (thousandths of a CPU) or cpuset says it for one container.",
                      CRISP_NAMED_FIELD(workloads, annotation_prefix)));
  out->push_back(Make("workloads.*.cpu_shares", IntegerCodec(0, 262144), kRestart,
                      "CPU shares instead of the containers' own; 0: theirs.",
                      CRISP_NAMED_FIELD(workloads, cpu_shares)));
  out->push_back(Make("workloads.*.cpu_quota", IntegerCodec(0, int64_t{1} << 40), kRestart,
                      "CPU quota in microseconds, likewise.",
                      CRISP_NAMED_FIELD(workloads, cpu_quota_us)));
  out->push_back(Make("workloads.*.cpu_period", IntegerCodec(0, 1000000), kRestart,
                      "Its period in microseconds, likewise.",
                      CRISP_NAMED_FIELD(workloads, cpu_period_us)));
  out->push_back(
      Make("workloads.*.cpu_limit", IntegerCodec(0, 10'000'000), kRestart,
           "CPU limit in thousandths of a CPU, likewise: gives the quota out of cpu_period "
           "(out of 100000, where that is 0), and wins over cpu_quota.",
           CRISP_NAMED_FIELD(workloads, cpu_limit_millicpus)));
  out->push_back(Make("workloads.*.cpuset", CpuListCodec(), kRestart, "CPUs, likewise (\"\").",
                      CRISP_NAMED_FIELD(workloads, cpuset)));
  out->push_back(Make("workloads.*.allowed_annotations", ListCodec(AnnotationPrefixCodec()),
                      kRestart,
                      "Annotations that are allowed to its pods, beside those of their handler "
                      "(runtimes.*.allowed_annotations).",
                      CRISP_NAMED_FIELD(workloads, allowed_annotations)));
}

// RFC 1123 labels, as Kubernetes wants of a RuntimeClass handler.
bool IsHandlerName(const std::string& name) {
  return !name.empty() && name.size() <= 63 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") == std::string::npos &&
         name.front() != '-' && name.front() != '.';
}

template <typename Map>
std::vector<std::string> KeysOf(const Map& map) {
  std::vector<std::string> out;
  for (const auto& [name, unused] : map) out.push_back(name);
  return out;
}

std::vector<Section> MakeSections() {
  std::vector<Section> out;
  out.push_back({"socket", "Where clients connect.", nullptr, nullptr, {}});
  out.push_back({"log", "The daemon's own log.", nullptr, nullptr, {}});
  out.push_back({"runtimes",
                 "OCI runtimes by handler name (RuntimeClass.handler). None: crun and runc, as far "
                 "as they are in PATH.",
                 [](const Config& c) { return KeysOf(c.runtimes); },
                 [](const std::string& name, Config* c) -> Status {
                   if (!IsHandlerName(name)) {
                     return InvalidArgument("'", name,
                                            "': allowed: a handler name of lower-case "
                                            "letters, digits, '-' and '.', at most 63 characters");
                   }
                   c->runtimes.try_emplace(name);
                   return OkStatus();
                 },
                 "crun"});
  out.push_back(
      {"cdi", "Devices that vendors describe (Container Device Interface).", nullptr, nullptr, {}});
  out.push_back({"binaries", "crisp's own programs.", nullptr, nullptr, {}});
  out.push_back({"network", "Pod networks (CNI).", nullptr, nullptr, {}});
  out.push_back({"image", "Images and where they come from.", nullptr, nullptr, {}});
  out.push_back({"image.registries", "Settings by registry host, as it stands in image references.",
                 [](const Config& c) { return KeysOf(c.image.registries); },
                 [](const std::string& name, Config* c) -> Status {
                   if (name.empty() || name.find('/') != std::string::npos) {
                     return InvalidArgument("'", name,
                                            "': allowed: a registry host with an "
                                            "optional port, e.g. registry.example:5000");
                   }
                   c->image.registries.try_emplace(name);
                   return OkStatus();
                 },
                 "registry.example:5000"});
  out.push_back({"streaming", "Exec, attach and port-forward of clients.", nullptr, nullptr, {}});
  out.push_back({"lanes", "How many slow calls run at a time.", nullptr, nullptr, {}});
  out.push_back({"timeouts", "How long things may take.", nullptr, nullptr, {}});
  out.push_back({"metrics", "The daemon's own metrics.", nullptr, nullptr, {}});
  out.push_back({"writable_layer", "What containers write.", nullptr, nullptr, {}});
  out.push_back({"workloads",
                 "CPU settings of the node's owner for pods with an annotation, by name.",
                 [](const Config& c) { return KeysOf(c.workloads); },
                 [](const std::string& name, Config* c) -> Status {
                   if (name.empty() || name.find_first_of("/ ") != std::string::npos) {
                     return InvalidArgument("'", name, "': allowed: a name without '/' and blanks");
                   }
                   c->workloads.try_emplace(name);
                   return OkStatus();
                 },
                 "management"});
  return out;
}

}  // namespace

const std::vector<Setting>& Settings() {
  static const std::vector<Setting> table = [] {
    std::vector<Setting> out;
    AddPlaces(&out);
    AddLog(&out);
    AddRuntimes(&out);
    AddDevices(&out);
    AddNetwork(&out);
    AddRegistries(&out);
    AddSignatures(&out);
    AddImage(&out);
    AddStreaming(&out);
    AddLimits(&out);
    AddContainers(&out);
    AddResources(&out);
    AddWorkloads(&out);
    return out;
  }();
  return table;
}

const std::vector<Section>& Sections() {
  static const std::vector<Section> table = MakeSections();
  return table;
}

const Setting* FindSetting(std::string_view key) {
  const auto& all = Settings();
  const auto it = std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.key == key; });
  return it == all.end() ? nullptr : &*it;
}

const Section* FindSection(std::string_view key) {
  const auto& all = Sections();
  const auto it = std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.key == key; });
  return it == all.end() ? nullptr : &*it;
}

}  // namespace crisp::config
