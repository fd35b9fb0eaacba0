#include "oci/spec.h"

#include <cctype>
#include <nlohmann/json.hpp>

#include "oci/base_spec_json.h"

// The compile-time heavy JSON library stays in the *_json.cc files and this one.
namespace crisp::oci {
namespace {

using nlohmann::json;

constexpr const char* kOciVersion = "1.0.2";

json CapabilitiesJson(const Capabilities& c) {
  // All five lists are written, empty ones too: a missing list means "as the runtime likes".
  return {{"bounding", c.bounding},
          {"effective", c.effective},
          {"permitted", c.permitted},
          {"inheritable", c.inheritable},
          {"ambient", c.ambient}};
}

constexpr std::string_view kRlimitPrefix = "RLIMIT_";

std::string RlimitType(const std::string& name) {
  std::string out(kRlimitPrefix);
  for (const char c : name) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

json ProcessJson(const Process& p) {
  json user = {{"uid", p.user.uid}, {"gid", p.user.gid}};
  if (!p.user.additional_gids.empty()) user["additionalGids"] = p.user.additional_gids;
  json out = {{"terminal", p.terminal},
              {"user", std::move(user)},
              {"args", p.args},
              {"cwd", p.cwd},
              {"capabilities", CapabilitiesJson(p.capabilities)},
              {"noNewPrivileges", p.no_new_privileges}};
  if (!p.env.empty()) out["env"] = p.env;
  if (p.console_size) {
    out["consoleSize"] = {{"height", p.console_size->rows}, {"width", p.console_size->columns}};
  }
  for (const Rlimit& limit : p.rlimits) {
    out["rlimits"].push_back(
        {{"type", RlimitType(limit.name)}, {"soft", limit.soft}, {"hard", limit.hard}});
  }
  if (p.oom_score_adj) out["oomScoreAdj"] = *p.oom_score_adj;
  if (!p.apparmor_profile.empty()) out["apparmorProfile"] = p.apparmor_profile;
  if (!p.selinux_label.empty()) out["selinuxLabel"] = p.selinux_label;
  return out;
}

json DeviceRuleJson(const DeviceRule& rule) {
  json out = {{"allow", rule.allow}, {"access", rule.access}};
  if (rule.type != 'a') out["type"] = std::string(1, rule.type);
  if (rule.major) out["major"] = *rule.major;
  if (rule.minor) out["minor"] = *rule.minor;
  return out;
}

template <typename T>
void SetIf(json* object, const char* key, const std::optional<T>& value) {
  if (value) (*object)[key] = *value;
}

json BlockIoJson(const BlockIo& b) {
  json out = json::object();
  SetIf(&out, "weight", b.weight);
  const auto add = [&out](const char* key, const char* value, const auto& devices) {
    for (const BlockIoDevice& d : devices) {
      out[key].push_back({{"major", d.major}, {"minor", d.minor}, {value, d.value}});
    }
  };
  add("weightDevice", "weight", b.weight_device);
  add("throttleReadBpsDevice", "rate", b.read_bps);
  add("throttleWriteBpsDevice", "rate", b.write_bps);
  add("throttleReadIOPSDevice", "rate", b.read_iops);
  add("throttleWriteIOPSDevice", "rate", b.write_iops);
  return out;
}

json ResourcesJson(const LinuxResources& r) {
  json out = json::object();
  for (const DeviceRule& rule : r.devices) out["devices"].push_back(DeviceRuleJson(rule));
  json cpu = json::object();
  SetIf(&cpu, "shares", r.cpu_shares);
  SetIf(&cpu, "quota", r.cpu_quota_us);
  SetIf(&cpu, "period", r.cpu_period_us);
  if (!r.cpuset_cpus.empty()) cpu["cpus"] = r.cpuset_cpus;
  if (!r.cpuset_mems.empty()) cpu["mems"] = r.cpuset_mems;
  if (!cpu.empty()) out["cpu"] = std::move(cpu);
  json memory = json::object();
  SetIf(&memory, "limit", r.memory_limit_bytes);
  SetIf(&memory, "swap", r.memory_swap_bytes);
  if (!memory.empty()) out["memory"] = std::move(memory);
  if (r.pids_limit) out["pids"] = {{"limit", *r.pids_limit}};
  for (const HugepageLimit& huge : r.hugepage_limits) {
    out["hugepageLimits"].push_back({{"pageSize", huge.page_size}, {"limit", huge.limit_bytes}});
  }
  if (r.block_io) out["blockIO"] = BlockIoJson(*r.block_io);
  if (!r.unified.empty()) out["unified"] = r.unified;
  return out;
}

json MountsJson(const std::vector<SpecMount>& mounts) {
  json out = json::array();
  for (const SpecMount& mount : mounts) {
    json entry = {{"destination", mount.destination}, {"source", mount.source}};
    if (!mount.type.empty()) entry["type"] = mount.type;
    if (!mount.options.empty()) entry["options"] = mount.options;
    out.push_back(std::move(entry));
  }
  return out;
}

json MappingsJson(const std::vector<IdMapping>& mappings) {
  json out = json::array();
  for (const IdMapping& m : mappings) {
    out.push_back({{"containerID", m.container_id}, {"hostID", m.host_id}, {"size", m.size}});
  }
  return out;
}

json DevicesJson(const std::vector<Device>& devices) {
  json out = json::array();
  for (const Device& d : devices) {
    json entry = {{"path", d.path},
                  {"type", std::string(1, d.type)},
                  {"fileMode", d.mode},
                  {"uid", d.uid},
                  {"gid", d.gid}};
    if (d.type != 'p') {
      entry["major"] = d.major;
      entry["minor"] = d.minor;
    }
    out.push_back(std::move(entry));
  }
  return out;
}

json IntelRdtJson(const Spec& spec) {
  json out = json::object();
  if (!spec.rdt_class.empty()) out["closID"] = spec.rdt_class;
  if (!spec.intel_rdt) return out;
  const IntelRdt& rdt = *spec.intel_rdt;
  if (!rdt.clos_id.empty()) out["closID"] = rdt.clos_id;
  if (!rdt.l3_cache_schema.empty()) out["l3CacheSchema"] = rdt.l3_cache_schema;
  if (!rdt.mem_bw_schema.empty()) out["memBwSchema"] = rdt.mem_bw_schema;
  if (!rdt.schemata.empty()) out["schemata"] = rdt.schemata;
  if (rdt.enable_monitoring) out["enableMonitoring"] = true;
  if (rdt.enable_cmt) out["enableCMT"] = true;
  if (rdt.enable_mbm) out["enableMBM"] = true;
  return out;
}

json HooksJson(const Hooks& hooks) {
  json out = json::object();
  for (const auto& [stage, list] : hooks) {
    for (const Hook& hook : list) {
      json entry = {{"path", hook.path}};
      if (!hook.args.empty()) entry["args"] = hook.args;
      if (!hook.env.empty()) entry["env"] = hook.env;
      if (hook.timeout_s) entry["timeout"] = *hook.timeout_s;
      out[std::string(HookStageName(stage))].push_back(std::move(entry));
    }
  }
  return out;
}

json LinuxJson(const Spec& spec) {
  json out = {{"maskedPaths", spec.masked_paths}, {"readonlyPaths", spec.readonly_paths}};
  json namespaces = json::array();
  for (const Namespace& ns : spec.namespaces) {
    json entry = {{"type", ns.type}};
    if (!ns.path.empty()) entry["path"] = ns.path;
    namespaces.push_back(std::move(entry));
  }
  out["namespaces"] = std::move(namespaces);
  if (!spec.uid_mappings.empty()) out["uidMappings"] = MappingsJson(spec.uid_mappings);
  if (!spec.gid_mappings.empty()) out["gidMappings"] = MappingsJson(spec.gid_mappings);
  if (!spec.devices.empty()) out["devices"] = DevicesJson(spec.devices);
  if (!spec.cgroups_path.empty()) out["cgroupsPath"] = spec.cgroups_path;
  out["resources"] = ResourcesJson(spec.resources);
  if (json rdt = IntelRdtJson(spec); !rdt.empty()) out["intelRdt"] = std::move(rdt);
  for (const auto& [host, name] : spec.net_devices) {
    out["netDevices"][host] = name == host ? json::object() : json{{"name", name}};
  }
  if (!spec.rootfs_propagation.empty()) out["rootfsPropagation"] = spec.rootfs_propagation;
  if (!spec.seccomp_json.empty()) out["seccomp"] = json::parse(spec.seccomp_json);
  if (!spec.sysctl.empty()) out["sysctl"] = spec.sysctl;
  if (!spec.mount_label.empty()) out["mountLabel"] = spec.mount_label;
  return out;
}

// The one place where the library's exceptions are caught on the way out: it throws for strings
// that are not UTF-8 and for a seccomp_json that is no JSON.
template <typename Make>
Result<std::string> Dump(std::string_view what, Make make) {
  try {
    const json document = make();
    return document.dump();
  } catch (const json::exception& e) {
    return Internal("write ", what, ": ", e.what());
  }
}

// A number that wrapped around would be another user, 2^32 for one root.
Result<uint32_t> ParseId(const json& number) {
  if (!number.is_number_unsigned() || number.get<uint64_t>() > UINT32_MAX) {
    return DataLoss("the process of an OCI spec: id ", number.dump(), " is no 32-bit number");
  }
  return number.get<uint32_t>();
}

Result<ProcessUser> ParseUser(const json& user) {
  ProcessUser out;
  out.uid = CRISP_TRY(ParseId(user.value("uid", json(0u))));
  out.gid = CRISP_TRY(ParseId(user.value("gid", json(0u))));
  for (const json& gid : user.value("additionalGids", json::array())) {
    out.additional_gids.push_back(CRISP_TRY(ParseId(gid)));
  }
  return out;
}

Result<std::vector<Rlimit>> ParseRlimits(const json& limits) {
  std::vector<Rlimit> out;
  for (const json& limit : limits) {
    const std::string type = limit.value("type", std::string());
    const json soft = limit.value("soft", json());
    const json hard = limit.value("hard", json());
    if (!type.starts_with(kRlimitPrefix) || !soft.is_number_unsigned() ||
        !hard.is_number_unsigned()) {
      return DataLoss("the process of an OCI spec: rlimit ", limit.dump());
    }
    std::string name = type.substr(kRlimitPrefix.size());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    out.push_back({std::move(name), soft.get<uint64_t>(), hard.get<uint64_t>()});
  }
  return out;
}

Result<Process> ParseProcess(const json& p) {
  Process out;
  out.terminal = p.value("terminal", false);
  out.user = CRISP_TRY(ParseUser(p.value("user", json::object())));
  out.args = p.value("args", std::vector<std::string>());
  out.env = p.value("env", std::vector<std::string>());
  out.cwd = p.value("cwd", std::string("/"));
  const json caps = p.value("capabilities", json::object());
  const std::vector<std::string> none;
  out.capabilities.bounding = caps.value("bounding", none);
  out.capabilities.effective = caps.value("effective", none);
  out.capabilities.permitted = caps.value("permitted", none);
  out.capabilities.inheritable = caps.value("inheritable", none);
  out.capabilities.ambient = caps.value("ambient", none);
  out.no_new_privileges = p.value("noNewPrivileges", false);
  if (const auto adjust = p.find("oomScoreAdj"); adjust != p.end()) {
    // proc(5), oom_score_adj.
    if (!adjust->is_number_integer() || *adjust < -1000 || *adjust > 1000) {
      return DataLoss("the process of an OCI spec: oomScoreAdj ", adjust->dump());
    }
    out.oom_score_adj = adjust->get<int>();
  }
  out.rlimits = CRISP_TRY(ParseRlimits(p.value("rlimits", json::array())));
  out.apparmor_profile = p.value("apparmorProfile", std::string());
  out.selinux_label = p.value("selinuxLabel", std::string());
  return out;
}

}  // namespace

Result<std::string> ToJson(const Spec& spec) {
  return Dump("the OCI spec", [&] {
    json out = {{"ociVersion", kOciVersion},
                {"process", ProcessJson(spec.process)},
                {"root", {{"path", spec.root_path}, {"readonly", spec.root_readonly}}},
                {"mounts", MountsJson(spec.mounts)},
                {"linux", LinuxJson(spec)}};
    if (!spec.hostname.empty()) out["hostname"] = spec.hostname;
    if (!spec.annotations.empty()) out["annotations"] = spec.annotations;
    if (!spec.hooks.empty()) out["hooks"] = HooksJson(spec.hooks);
    if (!spec.base_json.empty()) MergeBaseSpec(json::parse(spec.base_json), &out);
    return out;
  });
}

Result<std::string> ToJson(const Process& process) {
  return Dump("the OCI process", [&] { return ProcessJson(process); });
}

Result<std::string> ToJson(const LinuxResources& resources) {
  return Dump("the OCI resources", [&] { return ResourcesJson(resources); });
}

Result<Process> ProcessFromSpecJson(const std::string& config_json) {
  try {
    const json document = json::parse(config_json);
    return ParseProcess(document.at("process"));
  } catch (const json::exception& e) {
    return DataLoss("read the process of an OCI spec: ", e.what());
  }
}

}  // namespace crisp::oci
