#include "oci/runtime_features.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/core/child_process.h"
#include "base/core/file.h"
#include "base/log.h"
#include "oci/host_facts.h"
#include "oci/runtime_errors.h"
#include "oci/runtime_json.h"
#include "oci/systemd_scope.h"

namespace crisp::oci {
namespace {

constexpr auto kProbeTime = std::chrono::seconds(10);

Result<RunOutput> RunProgram(const RuntimeOptions& options, const char* argument) {
  RunOptions run;
  run.argv = {options.path, argument};
  run.env = RuntimeEnvironment(options);
  run.place = options.helper_place;
  run.reaper = options.reaper;
  run.deadline = MonoNow() + kProbeTime;
  return Run(run);
}

// mount_setattr(2) came with Linux 5.12; recursive read-only cannot be made without it.
bool KernelHasMountSetattr() {
  const HostFacts host = ReadHostFacts();
  return host.kernel_major > 5 || (host.kernel_major == 5 && host.kernel_minor >= 12);
}

// A name below the container's cgroup for `exec`: runc from 1.1, crun from 1.0.
bool KnowsExecCgroup(const RuntimeVersion& version) {
  if (version.kind == "runc") return VersionAtLeast(version.version, 1, 1);
  return version.kind == "crun" && VersionAtLeast(version.version, 1, 0);
}

// Tested from these versions on; older ones open the sources of mounts as container root. Others
// say it themselves.
bool KnowsUserNamespaces(const RuntimeVersion& version, const FeaturesDocument& document) {
  if (version.kind == "runc") return VersionAtLeast(version.version, 1, 1);
  if (version.kind == "crun") return VersionAtLeast(version.version, 1, 8);
  return document.user_namespaces;
}

}  // namespace

Result<RuntimeVersion> ParseRuntimeVersion(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  constexpr std::string_view kWord = " version ";
  const size_t at = line.find(kWord);
  if (at == std::string_view::npos || Trim(line.substr(0, at)).empty()) {
    return FailedPrecondition("--version printed '", line, "' (expected: NAME version NUMBER)");
  }
  const std::string_view number = Trim(line.substr(at + kWord.size()));
  size_t end = 0;
  while (end < number.size() &&
         (std::isdigit(static_cast<unsigned char>(number[end])) || number[end] == '.')) {
    ++end;
  }
  return RuntimeVersion{std::string(Trim(line.substr(0, at))), std::string(number.substr(0, end))};
}

bool VersionAtLeast(std::string_view version, int major, int minor) {
  int found_major = 0;
  int found_minor = 0;
  const char* end = version.data() + version.size();
  const auto [stop, error] = std::from_chars(version.data(), end, found_major);
  if (error == std::errc() && stop != end) std::from_chars(stop + 1, end, found_minor);
  return found_major > major || (found_major == major && found_minor >= minor);
}

Result<RuntimeFeatures> ProbeFeatures(const RuntimeOptions& options) {
  const RunOutput printed = CRISP_TRY(RunProgram(options, "--version"));
  if (!printed.status.success()) {
    return FailedPrecondition(options.path, " --version: exit code ", printed.status.code, ": ",
                              LastErrorLine(printed.stderr_data));
  }
  const RuntimeVersion version =
      CRISP_TRY(ParseRuntimeVersion(printed.stdout_data).Wrap(options.path));
  RuntimeFeatures out;
  out.kind = version.kind;
  out.version = version.version;
  out.exec_cgroup = KnowsExecCgroup(version);
  if (version.kind == "crun" && options.cgroup_driver == CgroupDriver::kSystemd &&
      options.cgroup_layout != nullptr && options.cgroup_layout->v2) {
    out.scope_group = kCrunScopeGroup;
  }

  const RunOutput features = CRISP_TRY(RunProgram(options, "features"));
  FeaturesDocument document;
  if (features.status.success()) {
    document = CRISP_TRY(ParseFeatures(features.stdout_data).Wrap(options.path));
    out.recursive_read_only =
        std::find(document.mount_options.begin(), document.mount_options.end(), "rro") !=
        document.mount_options.end();
    out.idmapped_mounts = document.idmap;
    out.net_devices = document.net_devices;
  } else if (version.kind == "crun") {
    // crun before 1.9 has no `features`. It knows rro since 1.4; its idmapped mounts of that time
    // take a mapping only from its own "idmap" option, which the CRI's per-mount mappings do not
    // fit: not offered.
    out.recursive_read_only = VersionAtLeast(version.version, 1, 4);
  } else if (version.kind != "runc") {
    // Many a program has --version.
    return FailedPrecondition(options.path, " features: exit code ", features.status.code, ": ",
                              LastErrorLine(features.stderr_data),
                              " (an OCI runtime other than runc and crun must have it)");
  }
  out.recursive_read_only = out.recursive_read_only && KernelHasMountSetattr();
  out.user_namespaces = KnowsUserNamespaces(version, document);
  return out;
}

}  // namespace crisp::oci
