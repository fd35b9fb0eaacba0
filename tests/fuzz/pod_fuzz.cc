// What users write into pods' annotations and security contexts.
#include <algorithm>

#include "base/cpu_list.h"
#include "fuzz.h"
#include "pod/sysctls.h"
#include "pod/workloads.h"

namespace crisp::pod {

CRISP_FUZZ(workload_annotation) {
  const Workload workload{"w", "activation", "prefix", 2, 0, 0, 0, "", {}};
  ::runtime::v1::PodSandboxConfig pod;
  (*pod.mutable_annotations())["activation"] = "";
  (*pod.mutable_annotations())["prefix/c"] = std::string(input);
  ::runtime::v1::LinuxContainerResources resources;
  const Status applied = ApplyWorkload({workload}, pod, "c", &resources);
  if (!applied.ok()) {
    CRISP_REQUIRE(applied.code() == Code::kInvalidArgument);
    return;
  }
  for (const int64_t number :
       {resources.cpu_shares(), resources.cpu_quota(), resources.cpu_period()}) {
    CRISP_REQUIRE(number >= 0 && number <= (int64_t{1} << 40) * 100);
  }
}

// Whatever is accepted is a file of the pod's own namespaces.
CRISP_FUZZ(sysctl_name) {
  ::runtime::v1::PodSandboxConfig pod;
  (*pod.mutable_linux()->mutable_sysctls())[std::string(input)] = "1";
  const auto sysctls = PodSysctls(pod, {});
  if (!sysctls.ok()) {
    CRISP_REQUIRE(sysctls.status().code() == Code::kInvalidArgument);
    return;
  }
  CRISP_REQUIRE(sysctls->size() == 1);
  std::string path = sysctls->begin()->first;
  for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  CRISP_REQUIRE(path.starts_with("net/") || path.starts_with("kernel/shm") ||
                path.starts_with("kernel/msg") || path == "kernel/sem" ||
                path.starts_with("fs/mqueue/"));
  const std::string whole = Cat("/", path, "/");
  CRISP_REQUIRE(whole.find("/../") == std::string::npos && whole.find("//") == std::string::npos);
}

CRISP_FUZZ(cpu_list) {
  if (!IsCpuList(input)) return;
  CRISP_REQUIRE(!input.empty());
  CRISP_REQUIRE(input.find_first_not_of("0123456789,-") == std::string_view::npos);
  CRISP_REQUIRE(IsCpuList(Cat(input, ",", input)));
}

}  // namespace crisp::pod
