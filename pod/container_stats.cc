#include "pod/container_stats.h"

#include <sys/stat.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <set>

#include "base/cgroup_text.h"
#include "base/core/tree_walk.h"

namespace crisp::pod {
namespace {

constexpr int kMeasureShare = 20;  // of the time at most a twentieth goes into walks
// A container that makes more hard links than this has the further ones counted each.
constexpr size_t kRememberedLinks = 1 << 16;
// v1 writes "no limit" as the largest page-aligned number; nothing real is near it.
constexpr uint64_t kUnlimited = uint64_t{1} << 60;

std::optional<uint64_t> ReadNumber(const CgroupDir& cgroup, std::string_view controller,
                                   const std::string& file) {
  auto text = cgroup.ReadFile(controller, file);
  return text.ok() ? ParseCgroupNumber(*text) : std::nullopt;
}

std::unordered_map<std::string, uint64_t> ReadFlatKeyed(const CgroupDir& cgroup,
                                                        std::string_view controller,
                                                        const std::string& file) {
  const auto text = cgroup.ReadFile(controller, file);
  return ParseFlatKeyed(text.ok() ? *text : std::string_view());
}

// What the kernel says of one container's memory, whichever hierarchy says it.
struct MemoryReading {
  std::optional<uint64_t> usage, limit, swap, swap_limit;
  uint64_t inactive_file = 0, rss = 0, page_faults = 0, major_page_faults = 0;
};

MemoryReading ReadMemory(const CgroupDir& cgroup, bool v2) {
  MemoryReading out;
  auto stat = ReadFlatKeyed(cgroup, "memory", "memory.stat");
  if (v2) {
    out.usage = ReadNumber(cgroup, "memory", "memory.current");
    out.limit = ReadNumber(cgroup, "memory", "memory.max");
    out.swap = ReadNumber(cgroup, "memory", "memory.swap.current");
    out.swap_limit = ReadNumber(cgroup, "memory", "memory.swap.max");
    out.inactive_file = stat["inactive_file"];
    out.rss = stat["anon"];
    out.page_faults = stat["pgfault"];
    out.major_page_faults = stat["pgmajfault"];
    return out;
  }
  out.usage = ReadNumber(cgroup, "memory", "memory.usage_in_bytes");
  out.limit = ReadNumber(cgroup, "memory", "memory.limit_in_bytes");
  // The total_ keys include child groups, as everything on v2 does (cgroup-v1/memory.rst 5.2).
  if (const auto swap = stat.find("total_swap"); swap != stat.end()) out.swap = swap->second;
  // Of memory and swap together; as the OCI runtimes translate it for v2.
  const auto sum = ReadNumber(cgroup, "memory", "memory.memsw.limit_in_bytes");
  if (sum && *sum < kUnlimited && out.limit) out.swap_limit = *sum - std::min(*sum, *out.limit);
  out.inactive_file = stat["total_inactive_file"];
  out.rss = stat["total_rss"];
  out.page_faults = stat["total_pgfault"];
  out.major_page_faults = stat["total_pgmajfault"];
  return out;
}

uint64_t WorkingSet(const MemoryReading& reading) {
  const uint64_t usage = reading.usage.value_or(0);
  return usage > reading.inactive_file ? usage - reading.inactive_file : 0;
}

// Without a limit it is what the node has left.
std::optional<uint64_t> AvailableSwap(const MemoryReading& reading) {
  if (reading.swap_limit) return *reading.swap_limit - std::min(*reading.swap_limit, *reading.swap);
  struct sysinfo node {};
  if (::sysinfo(&node) != 0) return std::nullopt;
  return uint64_t{node.freeswap} * node.mem_unit;
}

void FillPressureLine(const PressureLine& line, v1::PsiData* out) {
  out->set_total(line.total_us * 1000);
  out->set_avg10(line.avg10);
  out->set_avg60(line.avg60);
  out->set_avg300(line.avg300);
}

// Unset where the kernel does not count it: on v1, before 4.20, with psi=0.
std::optional<v1::PsiStats> ReadPressure(const CgroupDir& cgroup, bool v2,
                                         const std::string& controller) {
  if (!v2) return std::nullopt;
  const auto text = cgroup.ReadFile(controller, Cat(controller, ".pressure"));
  if (!text.ok()) return std::nullopt;
  const Pressure pressure = ParsePressure(*text);
  if (!pressure.some) return std::nullopt;
  v1::PsiStats out;
  FillPressureLine(*pressure.some, out.mutable_some());
  if (pressure.full) FillPressureLine(*pressure.full, out.mutable_full());
  return out;
}

void FillMemory(const CgroupDir& cgroup, bool v2, v1::ContainerStats* out) {
  const MemoryReading reading = ReadMemory(cgroup, v2);
  if (!reading.usage) return;
  const uint64_t working_set = WorkingSet(reading);
  v1::MemoryUsage& memory = *out->mutable_memory();
  memory.set_timestamp(WallNowNs());
  memory.mutable_usage_bytes()->set_value(*reading.usage);
  memory.mutable_working_set_bytes()->set_value(working_set);
  if (reading.limit && *reading.limit < kUnlimited) {
    memory.mutable_available_bytes()->set_value(
        *reading.limit > working_set ? *reading.limit - working_set : 0);
  }
  memory.mutable_rss_bytes()->set_value(reading.rss);
  memory.mutable_page_faults()->set_value(reading.page_faults);
  memory.mutable_major_page_faults()->set_value(reading.major_page_faults);
  if (auto psi = ReadPressure(cgroup, v2, "memory")) *memory.mutable_psi() = *std::move(psi);
  if (reading.swap) {
    out->mutable_swap()->set_timestamp(WallNowNs());
    out->mutable_swap()->mutable_swap_usage_bytes()->set_value(*reading.swap);
    if (const auto available = AvailableSwap(reading)) {
      out->mutable_swap()->mutable_swap_available_bytes()->set_value(*available);
    }
  }
}

void FillCpu(const CgroupDir& cgroup, bool v2, v1::ContainerStats* out) {
  std::optional<uint64_t> ns;
  if (v2) {
    const auto stat = ReadFlatKeyed(cgroup, "cpu", "cpu.stat");
    if (const auto it = stat.find("usage_usec"); it != stat.end()) ns = it->second * 1000;
  } else {
    ns = ReadNumber(cgroup, "cpuacct", "cpuacct.usage");
  }
  if (!ns) return;
  out->mutable_cpu()->set_timestamp(WallNowNs());
  out->mutable_cpu()->mutable_usage_core_nano_seconds()->set_value(*ns);
  if (auto psi = ReadPressure(cgroup, v2, "cpu"))
    *out->mutable_cpu()->mutable_psi() = *std::move(psi);
}

void FillIo(const CgroupDir& cgroup, bool v2, v1::ContainerStats* out) {
  auto psi = ReadPressure(cgroup, v2, "io");
  if (!psi) return;
  out->mutable_io()->set_timestamp(WallNowNs());
  *out->mutable_io()->mutable_psi() = *std::move(psi);
}

}  // namespace

std::optional<uint64_t> WorkingSetBytes(const CgroupDir& cgroup, bool v2) {
  const MemoryReading reading = ReadMemory(cgroup, v2);
  if (!reading.usage) return std::nullopt;
  return WorkingSet(reading);
}

Result<DiskUsage> MeasureDirectory(const std::string& path) {
  DiskUsage usage;
  std::set<std::pair<dev_t, ino_t>> linked;
  const auto count = [&](int, const std::string&, const struct stat& st) {
    if (st.st_nlink > 1 && !S_ISDIR(st.st_mode)) {
      if (linked.contains({st.st_dev, st.st_ino})) return OkStatus();
      if (linked.size() < kRememberedLinks) linked.emplace(st.st_dev, st.st_ino);
    }
    usage.used_bytes += static_cast<uint64_t>(st.st_blocks) * 512;
    ++usage.inodes;
    return OkStatus();
  };
  CRISP_RETURN_IF_ERROR(WalkTree(CRISP_TRY(DirFd::Open(path)), count).Wrap(path));
  return usage;
}

std::optional<DiskUsage> StatsReader::LastWalk(const ContainerId& id, MonoTime walk_until,
                                               bool* walk) {
  const MonoTime now = MonoNow();
  std::lock_guard lock(mutex_);
  const auto it = measured_.find(id);
  const Measured last = it == measured_.end() ? Measured{} : it->second;
  *walk = now < walk_until && !(last.usage && now < last.again_at);
  // Who asks meanwhile gets the last value.
  if (*walk) measured_[id].again_at = MonoTime::max();
  return last.usage;
}

Result<std::optional<DiskUsage>> StatsReader::WritableLayer(const Container& container,
                                                            MonoTime walk_until) {
  const std::optional<ProjectUsage> counted = CRISP_TRY(env_->layer_quotas->Usage(container.id()));
  if (counted) return std::optional(DiskUsage{counted->bytes, counted->inodes});
  bool walk = false;
  const std::optional<DiskUsage> last = LastWalk(container.id(), walk_until, &walk);
  if (!walk) return last;
  return std::optional(CRISP_TRY(Walk(container)));
}

Result<DiskUsage> StatsReader::Walk(const Container& container) {
  const MonoTime begin = MonoNow();
  Result<DiskUsage> usage = walks_.measure(container.paths().upper());
  struct stat passwd {};
  if (usage.ok() && ::lstat(container.paths().passwd().c_str(), &passwd) == 0) {
    usage->used_bytes += static_cast<uint64_t>(passwd.st_blocks) * 512;
    ++usage->inodes;
  }
  const MonoTime end = MonoNow();
  std::lock_guard lock(mutex_);
  const auto it = measured_.find(container.id());
  if (it == measured_.end()) return usage;  // forgotten meanwhile
  if (usage.ok()) {
    it->second = {*usage, end + std::max(walks_.again, (end - begin) * kMeasureShare)};
  } else if (it->second.usage) {
    it->second.again_at = end;
  } else {
    measured_.erase(it);  // it may have been forgotten before
  }
  return usage;
}

size_t StatsReader::remembered() const {
  std::lock_guard lock(mutex_);
  return measured_.size();
}

Status StatsReader::Read(const ContainerPtr& container, v1::ContainerStats* out) {
  return Read(container, NoDeadline(), out);
}

std::vector<v1::ContainerStats> StatsReader::ReadAll(const std::vector<ContainerPtr>& containers) {
  const MonoTime walk_until = MonoNow() + walks_.of_a_list;
  const size_t count = containers.size();
  size_t first = 0;
  {
    std::lock_guard lock(mutex_);
    const auto before = [this](const ContainerPtr& c) { return c->id() < *next_in_lists_; };
    while (next_in_lists_ && first < count && before(containers[first])) ++first;
    next_in_lists_.reset();
  }
  std::vector<std::optional<v1::ContainerStats>> read(count);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = (first + i) % count;
    const bool may_walk = MonoNow() < walk_until;
    v1::ContainerStats stats;
    // One container that is just being removed does not spoil the list.
    if (Read(containers[at], walk_until, &stats).ok()) read[at] = std::move(stats);
    if (may_walk) continue;
    std::lock_guard lock(mutex_);
    if (!next_in_lists_) next_in_lists_ = containers[at]->id();
  }
  std::vector<v1::ContainerStats> out;
  for (auto& stats : read) {
    if (stats) out.push_back(std::move(*stats));
  }
  return out;
}

void StatsReader::Forget(const ContainerId& id) {
  std::lock_guard lock(mutex_);
  measured_.erase(id);
}

Status StatsReader::Read(const ContainerPtr& container, MonoTime walk_until,
                         v1::ContainerStats* out) {
  const v1::ContainerConfig& config = container->config();
  v1::ContainerAttributes& attributes = *out->mutable_attributes();
  attributes.set_id(container->id().str());
  *attributes.mutable_metadata() = config.metadata();
  *attributes.mutable_labels() = config.labels();
  *attributes.mutable_annotations() = config.annotations();

  const bool v2 = env_->options.cgroup_layout->v2;
  const CgroupDir cgroup = env_->LimitedCgroupOf(*container);
  FillCpu(cgroup, v2, out);
  FillMemory(cgroup, v2, out);
  FillIo(cgroup, v2, out);

  const auto usage = CRISP_TRY(WritableLayer(*container, walk_until));
  if (!usage) return OkStatus();
  v1::FilesystemUsage& layer = *out->mutable_writable_layer();
  layer.set_timestamp(WallNowNs());
  layer.mutable_fs_id()->set_mountpoint(env_->options.root);
  layer.mutable_used_bytes()->set_value(usage->used_bytes);
  layer.mutable_inodes_used()->set_value(usage->inodes);
  return OkStatus();
}

}  // namespace crisp::pod
