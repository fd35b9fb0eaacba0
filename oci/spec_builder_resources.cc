// Resources: cri-contract 8.4 and 7.7.
#include <algorithm>
#include <charconv>

#include "base/core/file.h"
#include "base/cpu_list.h"
#include "base/log.h"
#include "oci/spec_parts.h"

namespace crisp::oci {
namespace {

// cgroup-v1/sched-bwc.rst: the kernel's bounds for the bandwidth period and the smallest quota.
constexpr uint64_t kShortestPeriod_us = 1000;
constexpr uint64_t kLongestPeriod_us = 1000000;
constexpr int64_t kSmallestQuota_us = 1000;
constexpr uint64_t kLowestShares = 2;
constexpr uint64_t kHighestShares = 262144;

Status CheckCpu(LinuxResources* r) {
  if (r->cpu_shares == 0) r->cpu_shares.reset();
  if (r->cpu_shares) r->cpu_shares = std::clamp(*r->cpu_shares, kLowestShares, kHighestShares);
  if (r->cpu_quota_us == 0) r->cpu_quota_us.reset();
  if (r->cpu_quota_us && *r->cpu_quota_us != -1 && *r->cpu_quota_us < kSmallestQuota_us) {
    return InvalidArgument("cpu_quota: ", *r->cpu_quota_us,
                           " (allowed are -1 for unlimited, or at least ", kSmallestQuota_us,
                           " microseconds)");
  }
  if (r->cpu_period_us == 0u) r->cpu_period_us.reset();
  if (r->cpu_period_us &&
      (*r->cpu_period_us < kShortestPeriod_us || *r->cpu_period_us > kLongestPeriod_us)) {
    return InvalidArgument("cpu_period: ", *r->cpu_period_us, " (allowed are ", kShortestPeriod_us,
                           " to ", kLongestPeriod_us, " microseconds)");
  }
  for (const auto& [field, list] :
       {std::pair{"cpuset_cpus", &r->cpuset_cpus}, std::pair{"cpuset_mems", &r->cpuset_mems}}) {
    if (!list->empty() && !IsCpuList(*list)) {
      return InvalidArgument(field, ": '", *list, "' is not a list such as 0-3,5");
    }
  }
  return OkStatus();
}

bool HasFileBelow(const std::string& directory, const std::string& file) {
  auto opened = DirFd::Open(directory);
  if (!opened.ok()) return false;
  const auto names = opened->List();
  if (!names.ok()) return false;
  return std::any_of(names->begin(), names->end(), [&](const std::string& name) {
    return PathExists(JoinPath(JoinPath(directory, name), file));
  });
}

// The root group of v2 has no memory files; any group below it shows what the kernel accounts.
bool HasSwapAccounting(const CgroupLayout& layout) {
  const std::string memory = layout.MountOf("memory");
  if (memory.empty()) return false;
  return layout.v2 ? HasFileBelow(memory, "memory.swap.max")
                   : PathExists(JoinPath(memory, "memory.memsw.limit_in_bytes"));
}

Status CheckMemory(const CgroupLayout* layout, LinuxResources* r) {
  if (r->memory_limit_bytes == 0) r->memory_limit_bytes.reset();
  if (r->memory_swap_bytes == 0) r->memory_swap_bytes.reset();
  const auto& limit = r->memory_limit_bytes;
  const auto& swap = r->memory_swap_bytes;
  if (limit && *limit < -1) {
    return InvalidArgument("memory_limit_in_bytes: ", *limit, " (-1 for unlimited, or positive)");
  }
  if (swap && *swap < -1) {
    return InvalidArgument("memory_swap_limit_in_bytes: ", *swap,
                           " (-1 for unlimited, or positive)");
  }
  if (swap && *swap > 0 && !limit) {
    return InvalidArgument("memory_swap_limit_in_bytes: ", *swap,
                           " needs memory_limit_in_bytes (it is the sum of memory and swap)");
  }
  if (swap && limit && *swap != -1 && (*limit == -1 || *swap < *limit)) {
    return InvalidArgument("memory_swap_limit_in_bytes: ", *swap,
                           " is below memory_limit_in_bytes ", *limit,
                           " (it is the sum of memory and swap)");
  }
  if (layout == nullptr || HasSwapAccounting(*layout)) {
    // cri-contract 8.4: a memory limit without a word on swap means no swap.
    if (limit && !swap) r->memory_swap_bytes = *limit;
  } else if (swap) {
    log::Debug("swap is not accounted on this machine; the swap limit is left out",
               {{"memory_swap_bytes", *swap}});
    r->memory_swap_bytes.reset();
  }
  return OkStatus();
}

bool HasController(const CgroupLayout& layout, const std::string& name) {
  if (!layout.v2) return !layout.MountOf(name).empty();
  const auto text = ReadFile(JoinPath(layout.MountOf(""), "cgroup.controllers"));
  return text.ok() && Cat(' ', Trim(*text), ' ').find(Cat(' ', name, ' ')) != std::string::npos;
}

// "2MB" as the kernel's directories name it: "hugepages-2048kB".
Result<std::string> HugepageDirectory(const std::string& size) {
  uint64_t number = 0;
  const char* end = size.data() + size.size();
  const auto [stop, error] = std::from_chars(size.data(), end, number);
  const std::string_view unit(stop, static_cast<size_t>(end - stop));
  if (error == std::errc() && number > 0 && number < (1u << 20)) {
    if (unit == "KB") return Cat("hugepages-", number, "kB");
    if (unit == "MB") return Cat("hugepages-", number << 10, "kB");
    if (unit == "GB") return Cat("hugepages-", number << 20, "kB");
  }
  return InvalidArgument("hugepage_limits: page size '", size, "' (such as 64KB, 2MB or 1GB)");
}

// The kubelet sends every size that it knows, mostly with limit 0: what this machine does not have
// is left out unless somebody really asks for it.
Status CheckHugepages(const CgroupLayout* layout, const HostFacts& host, LinuxResources* r) {
  std::vector<HugepageLimit> kept;
  const bool controller = layout == nullptr || HasController(*layout, "hugetlb");
  for (const HugepageLimit& limit : r->hugepage_limits) {
    const std::string directory = CRISP_TRY(HugepageDirectory(limit.page_size));
    if (!controller) continue;
    if (PathExists(JoinPath(host.hugepages_directory, directory))) {
      kept.push_back(limit);
    } else if (limit.limit_bytes != 0) {
      return InvalidArgument("hugepage_limits: this machine has no pages of ", limit.page_size);
    }
  }
  r->hugepage_limits = std::move(kept);
  return OkStatus();
}

template <typename T>
void SetIfGiven(std::optional<T>* current, const std::optional<T>& update) {
  if (update && *update != 0) *current = update;
}
void SetIfGiven(std::string* current, const std::string& update) {
  if (!update.empty()) *current = update;
}

}  // namespace

Status CheckUnified(const CgroupLayout* layout, const std::map<std::string, std::string>& unified) {
  if (unified.empty()) return OkStatus();
  if (layout != nullptr && !layout->v2) {
    return InvalidArgument("unified: '", unified.begin()->first,
                           "' is set, but this machine has cgroup v1");
  }
  for (const auto& [file, value] : unified) {
    CRISP_RETURN_IF_ERROR(CheckText("unified", file));
    CRISP_RETURN_IF_ERROR(CheckText("unified", value));
    if (file.find('/') != std::string::npos || file.find('.') == std::string::npos ||
        file.starts_with("cgroup.")) {
      return InvalidArgument("unified: '", file,
                             "' is not a file of a controller (such as memory.high)");
    }
  }
  return OkStatus();
}

Result<LinuxResources> CompleteResourcesOn(const LinuxResources& requested,
                                           const CgroupLayout* layout, const HostFacts& host) {
  LinuxResources out = requested;
  CRISP_RETURN_IF_ERROR(CheckCpu(&out));
  CRISP_RETURN_IF_ERROR(CheckMemory(layout, &out));
  CRISP_RETURN_IF_ERROR(CheckHugepages(layout, host, &out));
  CRISP_RETURN_IF_ERROR(CheckUnified(layout, out.unified));
  if (out.pids_limit == 0 || (layout != nullptr && !HasController(*layout, "pids"))) {
    out.pids_limit.reset();
  }
  return out;
}

Result<LinuxResources> CompleteResources(const LinuxResources& requested,
                                         const CgroupLayout* layout) {
  return CompleteResourcesOn(requested, layout, ReadHostFacts());
}

LinuxResources MergeResources(const LinuxResources& current, const LinuxResources& update) {
  LinuxResources out = current;
  SetIfGiven(&out.cpu_shares, update.cpu_shares);
  SetIfGiven(&out.cpu_quota_us, update.cpu_quota_us);
  SetIfGiven(&out.cpu_period_us, update.cpu_period_us);
  SetIfGiven(&out.cpuset_cpus, update.cpuset_cpus);
  SetIfGiven(&out.cpuset_mems, update.cpuset_mems);
  SetIfGiven(&out.memory_limit_bytes, update.memory_limit_bytes);
  SetIfGiven(&out.memory_swap_bytes, update.memory_swap_bytes);
  SetIfGiven(&out.pids_limit, update.pids_limit);
  // A swap limit that only followed the memory limit (no swap) follows the new one as well; and the
  // sum of memory and swap is never below memory, which the kernel would refuse.
  const bool swap_given = update.memory_swap_bytes.value_or(0) != 0;
  if (!swap_given && out.memory_limit_bytes && out.memory_swap_bytes &&
      *out.memory_swap_bytes != -1 &&
      (current.memory_swap_bytes == current.memory_limit_bytes || *out.memory_limit_bytes == -1 ||
       *out.memory_swap_bytes < *out.memory_limit_bytes)) {
    out.memory_swap_bytes = out.memory_limit_bytes;
  }
  for (const HugepageLimit& limit : update.hugepage_limits) {
    const auto same =
        std::find_if(out.hugepage_limits.begin(), out.hugepage_limits.end(),
                     [&limit](const HugepageLimit& h) { return h.page_size == limit.page_size; });
    if (same == out.hugepage_limits.end()) {
      out.hugepage_limits.push_back(limit);
    } else {
      *same = limit;
    }
  }
  for (const auto& [file, value] : update.unified) out.unified[file] = value;
  return out;
}

}  // namespace crisp::oci
