#include "server/config_check.h"

#include <algorithm>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "base/core/project_quota.h"
#include "base/cpu_list.h"
#include "oci/hooks.h"
#include "oci/selinux.h"
#include "server/oci_options.h"
#include "server/prerequisites.h"

namespace crisp {
namespace {

using Verdict = CheckedPart::Verdict;

std::string Describe(const oci::RuntimeOptions& options, const oci::RuntimeFeatures& features) {
  std::string out = Cat(features.kind, ' ', features.version, ", ", options.path);
  const std::pair<bool, const char*> abilities[] = {
      {features.recursive_read_only, "recursive read-only mounts"},
      {features.idmapped_mounts, "idmapped mounts"},
      {features.exec_cgroup, "cgroups of execs"},
      {features.net_devices, "network devices"}};
  const char* separator = "; can ";
  for (const auto& [can, what] : abilities) {
    if (can) out += Cat(std::exchange(separator, ", "), what);
  }
  return out;
}

CheckedPart CheckHandler(const config::Config& config, const std::string& name,
                         const CgroupLayout& layout) {
  oci::RuntimeOptions options = ToRuntimeOptions(config, name);
  options.cgroup_layout = &layout;
  const std::string what = Cat("runtime ", name, ": ");
  const auto features = oci::CheckRuntime(options);
  Status status = features.status();
  if (status.ok() && options.sandbox == oci::SandboxKind::kProcess) {
    status = Unimplemented("sandbox: process: not supported yet; allowed: namespaces");
  }
  for (const auto& [key, file] :
       {std::pair("seccomp_profile", &options.seccomp_profile),
        std::pair("privileged_seccomp_profile", &options.privileged_seccomp_profile)}) {
    if (status.ok() && !file->empty()) status = oci::CheckSeccompProfile(*file).Wrap(key);
  }
  if (status.ok()) return {Verdict::kGood, what + Describe(options, *features)};
  // Pods may ask for a handler that somebody named; crispd merely starts without it.
  const bool named =
      !config.runtimes_found || (name == config.default_runtime && !config.default_runtime_found);
  return {named ? Verdict::kBad : Verdict::kLeftOut, what + status.message()};
}

void CheckHandlers(const config::Config& config, std::vector<CheckedPart>* out) {
  const auto layout = CgroupLayout::Detect();
  if (!layout.ok()) {
    out->push_back({Verdict::kBad, Cat("cgroups: ", layout.status().message())});
    return;
  }
  bool one_works = false;
  for (const auto& [name, unused] : config.runtimes) {
    out->push_back(CheckHandler(config, name, *layout));
    one_works = one_works || out->back().verdict == Verdict::kGood;
  }
  if (!one_works) out->push_back({Verdict::kBad, "runtimes: none works here"});
  if (!config.runtimes_found) return;
  for (const char* name : config::kUsualRuntimes) {
    if (config.runtimes.contains(name)) continue;
    out->push_back({Verdict::kLeftOut, Cat("runtime ", name, ": not in PATH")});
  }
}

void AddProblems(const std::string& what, const std::vector<std::string>& directories,
                 const std::vector<std::string>& problems, std::vector<CheckedPart>* out) {
  for (const std::string& problem : problems) {
    out->push_back({Verdict::kLeftOut, Cat(what, ": ", problem)});
  }
  if (!problems.empty()) return;
  for (const std::string& directory : directories) {
    if (PathExists(directory)) out->push_back({Verdict::kGood, Cat(what, ": ", directory)});
  }
}

// What a cpuset takes: on v1 CPUs that are there, on v2 those that may come as well.
void CheckCpus(const config::Config& config, std::vector<CheckedPart>* out) {
  const auto layout = CgroupLayout::Detect();
  const char* const file = layout.ok() && layout->v2 ? "/sys/devices/system/cpu/possible"
                                                     : "/sys/devices/system/cpu/online";
  const auto read = ReadFile(file, 64 << 10);
  if (config.infra_ctr_cpuset.empty() || !read.ok()) return;
  const std::string_view here = Trim(*read);
  const auto wanted = ParseCpuList(config.infra_ctr_cpuset);
  const auto ranges = ParseCpuList(here);
  if (!wanted || !ranges) return;
  if (const auto missing = FirstMissingCpu(*wanted, *ranges)) {
    out->push_back({Verdict::kBad, Cat("infra_ctr_cpuset: no CPU ", *missing,
                                       " on this machine; allowed: ", here)});
  }
}

void CheckWritableLayers(const config::Config& config, std::vector<CheckedPart>* out) {
  std::string directory = config.root;  // crispd makes it where it is missing
  while (directory.size() > 1 && !PathExists(directory)) {
    directory.resize(std::max<size_t>(directory.rfind('/'), 1));
  }
  const config::WritableLayer& layer = config.writable_layer;
  const ProjectLimit limit = {static_cast<uint64_t>(layer.size_limit_bytes),
                              static_cast<uint64_t>(layer.inode_limit)};
  Status why_not;
  const auto quota = ProjectQuota::OpenFor(limit, directory, &why_not).Wrap("writable_layer");
  if (!quota.ok()) {
    out->push_back({Verdict::kBad, quota.status().message()});
  } else if (*quota) {
    out->push_back({Verdict::kGood, Cat("writable_layer: project quotas of ", directory, ", ",
                                        (*quota)->file_system())});
  } else {
    out->push_back({Verdict::kLeftOut, Cat("writable_layer: ", why_not.message())});
  }
}

}  // namespace

std::vector<CheckedPart> CheckConfig(const config::Config& config) {
  std::vector<CheckedPart> out;
  for (const Status& missing : MissingPrerequisites(config)) {
    out.push_back({Verdict::kBad, missing.message()});
  }
  CheckCpus(config, &out);
  CheckHandlers(config, &out);
  const auto selinux = oci::ReadSelinuxHost(ToSelinuxMode(config));
  if (!selinux.ok()) {
    out.push_back({Verdict::kBad, selinux.status().message()});
  } else if (selinux->enabled) {
    out.push_back({Verdict::kGood, Cat("SELinux: containers are ", selinux->process)});
  }
  oci::CdiCatalog cdi(ToCdiOptions(config));
  cdi.Refresh();
  AddProblems("CDI specs", config.cdi.spec_dirs, cdi.Problems(), &out);
  oci::HookCatalog hooks(config.hooks_dirs);
  hooks.Refresh();
  AddProblems("OCI hooks", config.hooks_dirs, hooks.Problems(), &out);
  CheckWritableLayers(config, &out);
  for (const oci::RequestedDevice& device : ToDevices(config)) {
    const Status found = oci::CheckDevice(device);
    out.push_back(
        {found.ok() ? Verdict::kGood : Verdict::kBad,
         Cat("additional_devices: ", device.host_path, found.ok() ? "" : ": ", found.message())});
  }
  return out;
}

}  // namespace crisp
