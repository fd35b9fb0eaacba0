#include "pod/pod_cgroup.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/core/file.h"
#include "base/log.h"
#include "pod/memory_limit.h"

namespace crisp::pod {
namespace {

namespace v1 = ::runtime::v1;

constexpr int64_t kUsualPeriod_us = 100000;
constexpr int64_t kLowestShares = 2;
constexpr int64_t kHighestShares = 262144;

int64_t ValidShares(int64_t shares) { return std::clamp(shares, kLowestShares, kHighestShares); }
// cri-contract 8.4: the formula of the first years of v2.
int64_t LinearWeight(int64_t shares) { return 1 + (ValidShares(shares) - 2) * 9999 / 262142; }
// And the one since then, by which 1024 shares are the kernel's default of 100: runc 1.3 and crun
// 1.23 have it, and so have kubelets of that time.
int64_t CurvedWeight(int64_t shares) {
  if (shares <= kLowestShares) return 1;
  if (shares >= kHighestShares) return 10000;
  const double log = std::log2(static_cast<double>(shares));
  return static_cast<int64_t>(std::ceil(std::pow(10.0, (log * log + 125 * log) / 612 - 7.0 / 34)));
}

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

// The sum of limits: -1 (none) in one of them is none.
int64_t Sum(int64_t resources, int64_t overhead) {
  int64_t sum = 0;
  if (resources < 0) return -1;
  return __builtin_add_overflow(resources, std::max<int64_t>(overhead, 0), &sum) ? kMost : sum;
}

struct CpuLimit {
  int64_t quota_us = 0;  // 0: not set; -1: unlimited
  int64_t period_us = kUsualPeriod_us;
};
CpuLimit CpuLimitOf(const v1::LinuxContainerResources& resources,
                    const v1::LinuxContainerResources& overhead) {
  CpuLimit out;
  if (resources.cpu_period() > 0) out.period_us = resources.cpu_period();
  if (resources.cpu_quota() == 0) return out;
  const int64_t period = overhead.cpu_period() > 0 ? overhead.cpu_period() : kUsualPeriod_us;
  const int64_t more = std::max<int64_t>(overhead.cpu_quota(), 0);
  int64_t scaled = 0;
  if (__builtin_mul_overflow(more, out.period_us, &scaled)) scaled = kMost;
  out.quota_us = Sum(resources.cpu_quota(), scaled / period);
  return out;
}

GroupValue SharesValue(int64_t resources, int64_t overhead, bool v2) {
  const int64_t sum = Sum(ValidShares(resources), std::min(overhead, kHighestShares));
  GroupValue out{v2 ? "cpu.weight" : "cpu.shares", Cat(v2 ? LinearWeight(sum) : ValidShares(sum))};
  const auto accept = [&out](int64_t value) {
    std::string text = Cat(value);
    const bool known =
        text == out.value || std::find(out.also.begin(), out.also.end(), text) != out.also.end();
    if (!known) out.also.push_back(std::move(text));
  };
  // Thousandths of a CPU are rounded down to shares, and up to 2.
  const bool rounded_twice = overhead > 0;
  const int64_t most = rounded_twice ? sum + 1 : sum;
  for (int64_t shares = rounded_twice ? sum - 2 : sum; shares <= most; ++shares) {
    accept(v2 ? LinearWeight(shares) : ValidShares(shares));
    if (v2) accept(CurvedWeight(shares));
  }
  return out;
}

void AddCpu(const v1::LinuxContainerResources& resources,
            const v1::LinuxContainerResources& overhead, bool v2, std::vector<GroupValue>* out) {
  if (resources.cpu_shares() > 0) {
    out->push_back(SharesValue(resources.cpu_shares(), overhead.cpu_shares(), v2));
  }
  const CpuLimit limit = CpuLimitOf(resources, overhead);
  if (limit.quota_us != 0 && v2) {
    const std::string quota = limit.quota_us < 0 ? "max" : Cat(limit.quota_us);
    out->push_back({"cpu.max", Cat(quota, ' ', limit.period_us), {}});
  } else if (limit.quota_us != 0) {
    out->push_back({"cpu.cfs_period_us", Cat(limit.period_us), {}});
    out->push_back({"cpu.cfs_quota_us", Cat(limit.quota_us), {}});
  }
  for (const auto& [file, list] : {std::pair("cpuset.cpus", &resources.cpuset_cpus()),
                                   std::pair("cpuset.mems", &resources.cpuset_mems())}) {
    if (!list->empty()) out->push_back({file, *list, {}});
  }
}

// The kernel keeps whole pages.
std::string Pages(int64_t bytes, const char* unlimited) {
  if (bytes < 0) return unlimited;
  return Cat(bytes - bytes % ::sysconf(_SC_PAGESIZE));
}

void AddMemory(const v1::LinuxContainerResources& resources,
               const v1::LinuxContainerResources& overhead, bool v2, std::vector<GroupValue>* out) {
  if (resources.memory_limit_in_bytes() == 0) return;
  const int64_t limit = Sum(resources.memory_limit_in_bytes(), overhead.memory_limit_in_bytes());
  const int64_t with_swap =
      resources.memory_swap_limit_in_bytes() == 0
          ? 0
          : Sum(resources.memory_swap_limit_in_bytes(), overhead.memory_limit_in_bytes());
  if (v2) {
    out->push_back({"memory.max", Pages(limit, "max"), {}});
    if (with_swap < 0 || (limit >= 0 && with_swap >= limit && with_swap != 0)) {
      out->push_back({"memory.swap.max", Pages(with_swap < 0 ? -1 : with_swap - limit, "max"), {}});
    }
    return;
  }
  if (with_swap != 0) out->push_back({"memory.memsw.limit_in_bytes", Pages(with_swap, "-1"), {}});
  out->push_back({"memory.limit_in_bytes", Pages(limit, "-1"), {}});
}

void AddHugepages(const v1::LinuxContainerResources& resources, bool v2,
                  std::vector<GroupValue>* out) {
  for (const v1::HugepageLimit& limit : resources.hugepage_limits()) {
    const char* file = v2 ? ".max" : ".limit_in_bytes";
    out->push_back({Cat("hugetlb.", limit.page_size(), file), Cat(limit.limit()), {}});
  }
}

// memory.oom.group, for one, does not.
bool HoldsBytes(const std::string& file) {
  constexpr std::string_view kEnds[] = {".max", ".high", ".low", ".min", ".limit_in_bytes"};
  return file.starts_with("memory.") &&
         std::any_of(std::begin(kEnds), std::end(kEnds),
                     [&file](std::string_view end) { return file.ends_with(end); });
}

bool Same(const GroupValue& value, const std::string& found) {
  if (found == value.value) return true;
  if (std::find(value.also.begin(), value.also.end(), found) != value.also.end()) return true;
  if (!HoldsBytes(value.file)) return false;
  // A number larger than any limit stands for "none" in files of v1.
  if (value.value == "-1") return found.size() >= 19;
  const auto wanted = ParseMemoryLimit(value.value);
  return wanted && wanted == ParseMemoryLimit(found);
}

std::string ControllerOf(const std::string& file) { return file.substr(0, file.find('.')); }

// Limits of which one must not pass the other are lowered in the opposite order of raising.
bool Lowers(const GroupValue& value, const std::string& found) {
  if (!HoldsBytes(value.file)) return false;
  const auto wanted = ParseMemoryLimit(value.value);
  const auto now = ParseMemoryLimit(found);
  return wanted && (!now || *wanted < *now);
}

}  // namespace

std::vector<GroupValue> PodGroupValues(const v1::LinuxContainerResources& resources,
                                       const v1::LinuxContainerResources& overhead, bool v2) {
  std::vector<GroupValue> out;
  AddCpu(resources, overhead, v2, &out);
  AddMemory(resources, overhead, v2, &out);
  AddHugepages(resources, v2, &out);
  if (!v2) return out;
  const std::map<std::string, std::string> unified(resources.unified().begin(),
                                                   resources.unified().end());
  for (const auto& [file, value] : unified) {
    std::erase_if(out, [name = file](const GroupValue& other) { return other.file == name; });
    out.push_back({file, value, {}});
  }
  return out;
}

Result<int> Converge(const CgroupDir& group, const std::vector<GroupValue>& values) {
  if (!values.empty() && !group.Exists()) {
    return FailedPrecondition("cgroup_parent ", group.path(), " does not exist");
  }
  std::vector<GroupValue> different;
  std::vector<GroupValue> before;
  for (const GroupValue& value : values) {
    const auto found = group.ReadFile(ControllerOf(value.file), value.file);
    if (!found.ok()) {
      // A kubelet names every page size of its node, and swap where none is accounted.
      const bool optional = value.file.starts_with("hugetlb.") ||
                            value.file.find("swap") != std::string::npos ||
                            value.file.find("memsw") != std::string::npos;
      if (optional && found.status().code() == Code::kNotFound) continue;
      return Status(found.status()).WithCode(Code::kFailedPrecondition);
    }
    std::string old(Trim(*found));
    if (Same(value, old)) continue;
    if (value.file == "memory.max") {
      CRISP_RETURN_IF_ERROR(CheckMemoryMax(group, value.value).Wrap("memory.max"));
    }
    const bool first = Lowers(value, old);
    different.insert(first ? different.begin() : different.end(), value);
    before.insert(first ? before.begin() : before.end(), {value.file, std::move(old), {}});
  }
  for (size_t i = 0; i < different.size(); ++i) {
    const GroupValue& value = different[i];
    Status written = group.WriteFile(ControllerOf(value.file), value.file, value.value);
    if (written.ok()) continue;
    while (i-- > 0) {
      if (Status back =
              group.WriteFile(ControllerOf(before[i].file), before[i].file, before[i].value);
          !back.ok()) {
        log::Warning("limit of a pod not restored", {{"cgroup", group.path()}, {"error", back}});
      }
    }
    return written;
  }
  return static_cast<int>(different.size());
}

}  // namespace crisp::pod
