// What users write into pods' annotations, security contexts and DNS settings; memory limits,
// theirs and the kernel's.
#include <unistd.h>

#include <algorithm>

#include "base/cpu_list.h"
#include "fuzz.h"
#include "pod/memory_limit.h"
#include "pod/sandbox_files.h"
#include "pod/selinux_levels.h"
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

// A number of pages, whoever wrote it.
CRISP_FUZZ(memory_limit) {
  const std::optional<uint64_t> bytes = ParseMemoryLimit(input);
  if (!bytes) return;
  CRISP_REQUIRE(*bytes % static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) == 0);
  CRISP_REQUIRE(ParseMemoryLimit(Cat(*bytes)) == bytes);
  const std::string_view number = input.substr(0, input.find_first_not_of("0123456789"));
  CRISP_REQUIRE(!number.empty() && number.size() + 1 >= input.size());
  if (const auto kilobytes = ParseMemoryLimit(Cat(number, 'k'))) {
    CRISP_REQUIRE(ParseMemoryLimit(Cat(number, 'K')) == kilobytes);
    CRISP_REQUIRE(*kilobytes >= *ParseMemoryLimit(number));
  }
}

// Whatever a client writes, a pair of categories is taken as long as it is held, and not longer.
CRISP_FUZZ(selinux_level) {
  const std::string level(input);
  SelinuxLevels levels(/*categories=*/2);  // a single pair: c0,c1
  const auto is_taken = [&levels](const std::string& text) {
    const SelinuxLevel held = levels.Hold(text);
    CRISP_REQUIRE(held.text() == text);
    return !levels.Take("s0").ok();
  };
  const bool taken = is_taken(level);
  CRISP_REQUIRE(levels.Take("s0").ok());
  if (!taken) return;
  CRISP_REQUIRE(level.starts_with("s0:c"));
  CRISP_REQUIRE(level.find_first_not_of("sc0123456789:,.") == std::string::npos);
  // Said again in other words it is the same.
  CRISP_REQUIRE(is_taken(level + ",c0") && is_taken(level + ",c1.c1"));
  CRISP_REQUIRE(is_taken("s0:c1," + level.substr(3)));
}

// Lines with the search list, a server, the options, and the host's name.
CRISP_FUZZ(sandbox_files) {
  ::runtime::v1::PodSandboxConfig pod;
  std::string_view rest = input;
  const auto next = [&rest] {
    const fuzz::Parts parts = fuzz::SplitLine(rest);
    rest = parts.rest;
    return std::string(parts.first);
  };
  pod.mutable_dns_config()->add_searches(next());
  pod.mutable_dns_config()->add_servers(next());
  pod.mutable_dns_config()->add_options(next());
  const Result<std::string> resolv_conf = ResolvConf(pod);
  if (resolv_conf.ok()) {
    std::string_view lines = *resolv_conf;
    for (const std::string_view keyword : {"search", "nameserver", "options"}) {
      const fuzz::Parts parts = fuzz::SplitLine(lines);
      CRISP_REQUIRE(parts.first.starts_with(Cat(keyword, ' ')));
      CRISP_REQUIRE(std::count(parts.first.begin(), parts.first.end(), ' ') == 1);
      lines = parts.rest;
    }
    CRISP_REQUIRE(lines.empty());
  } else {
    CRISP_REQUIRE(resolv_conf.status().code() == Code::kInvalidArgument);
  }
  pod.set_hostname(std::string(rest));
  const Result<std::string> hostname = Hostname(pod);
  if (!hostname.ok()) {
    CRISP_REQUIRE(hostname.status().code() == Code::kInvalidArgument);
    return;
  }
  CRISP_REQUIRE(hostname->size() <= 64 && (rest.empty() || *hostname == rest));
  CRISP_REQUIRE(rest.find_first_of(std::string_view("/\n=\0 ", 5)) == std::string_view::npos);
}

// A list, and in the next line the one of a machine.
CRISP_FUZZ(cpu_list) {
  const fuzz::Parts parts = fuzz::SplitLine(input);
  const auto wanted = ParseCpuList(parts.first);
  if (!wanted) return;
  CRISP_REQUIRE(!wanted->empty());
  CRISP_REQUIRE(parts.first.find_first_not_of("0123456789,-") == std::string_view::npos);
  CRISP_REQUIRE(IsCpuList(Cat(parts.first, ",", parts.first)));
  std::string text;
  for (const CpuRange& range : *wanted) {
    CRISP_REQUIRE(range.first <= range.last);
    text += Cat(text.empty() ? "" : ",", range.first, "-", range.last);
  }
  const auto again = ParseCpuList(text);
  CRISP_REQUIRE(again && again->size() == wanted->size());
  for (const auto* own : {&*wanted, &*again}) CRISP_REQUIRE(!FirstMissingCpu(*own, *wanted));

  const auto here = ParseCpuList(parts.rest);
  if (!here) return;
  const auto holds = [](const std::vector<CpuRange>& ranges, uint32_t cpu) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [cpu](const CpuRange& r) { return r.first <= cpu && cpu <= r.last; });
  };
  const auto missing = FirstMissingCpu(*wanted, *here);
  if (missing) CRISP_REQUIRE(holds(*wanted, *missing) && !holds(*here, *missing));
  // Those of the first range one by one, as far as that is bearable.
  const CpuRange& first = wanted->front();
  for (uint64_t cpu = first.first; cpu <= first.last && cpu < first.first + uint64_t{300}; ++cpu) {
    if (missing == cpu) return;
    CRISP_REQUIRE(holds(*here, static_cast<uint32_t>(cpu)));
  }
}

}  // namespace crisp::pod
