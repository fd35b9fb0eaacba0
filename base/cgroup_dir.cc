#include "base/cgroup_dir.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/pid_text.h"
#include "base/core/pidfd.h"
#include "base/mount_table.h"

namespace crisp {
namespace {

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    out.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

// Super options of a v1 mount that are not controllers (cgroups(7)).
bool IsController(const std::string& option) {
  static const std::set<std::string> kOther = {
      "rw", "ro", "xattr", "clone_children", "noprefix", "release_agent"};
  return !kOther.contains(option) && !option.starts_with("release_agent=");
}

// Removed since it was found: by name, or while it was open.
bool IsGone(const Status& status) {
  return status.sys_errno() == ENOENT || status.sys_errno() == ENODEV;
}

// Of descriptors or memory: says nothing of what was to be opened.
bool IsShortage(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

// Calls `visit` with every directory at and below `dir`, children first, up to the first error. A
// directory that is gone is none.
Status VisitTree(const std::string& dir, const std::function<Status(const std::string&)>& visit) {
  auto opened = DirFd::Open(dir);
  if (!opened.ok()) return IsGone(opened.status()) ? OkStatus() : std::move(opened).status();
  auto names = opened->List();
  if (!names.ok() && !IsGone(names.status())) return std::move(names).status().Wrap(dir);
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    struct stat st {};
    if (::fstatat(opened->get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode)) {
      CRISP_RETURN_IF_ERROR(VisitTree(JoinPath(dir, name), visit));
    }
  }
  return visit(dir);
}

}  // namespace

Result<CgroupLayout> CgroupLayout::Detect(const std::string& mountinfo) {
  CgroupLayout layout;
  std::string v2_mount;
  for (const MountEntry& mount : CRISP_TRY(ReadMountTable(mountinfo))) {
    if (mount.type == "cgroup2") {
      // The mount at the usual place wins over bind mounts elsewhere.
      if (v2_mount.empty() || mount.point == "/sys/fs/cgroup") v2_mount = mount.point;
    } else if (mount.type == "cgroup") {
      for (const std::string& option : Split(mount.super_options, ',')) {
        if (IsController(option) && layout.MountOf(option).empty()) {
          layout.mounts.emplace_back(option, mount.point);
        }
      }
    }
  }
  if (layout.mounts.empty()) {
    if (v2_mount.empty()) {
      return FailedPrecondition("no cgroup file system is mounted (looked in ", mountinfo, ")");
    }
    layout.v2 = true;
    layout.mounts.emplace_back("", v2_mount);
  } else {
    layout.hybrid = !v2_mount.empty();
  }
  return layout;
}

std::string CgroupLayout::MountOf(std::string_view controller) const {
  if (v2) return mounts.empty() ? std::string() : mounts.front().second;
  for (const auto& [name, mount] : mounts) {
    if (name == controller) return mount;
  }
  return {};
}

std::vector<std::string> CgroupDir::Dirs() const {
  std::vector<std::string> out;
  for (const auto& [controller, mount] : layout_->mounts) {
    std::string dir = JoinPath(mount, path_);
    if (std::find(out.begin(), out.end(), dir) == out.end()) out.push_back(std::move(dir));
  }
  return out;
}

std::string CgroupDir::DirOf(std::string_view controller) const {
  const std::string mount = layout_->MountOf(controller);
  return mount.empty() ? std::string() : JoinPath(mount, path_);
}

namespace {

// v1 cpuset groups start without CPUs and memory nodes, and then no process can enter
// (cgroup-v1/cpusets.rst 1.4): inherit the parent's.
Status InheritCpuset(const std::string& mount, const std::string& path) {
  std::string dir = mount;
  for (const std::string& part : Split(path, '/')) {
    if (part.empty()) continue;
    const std::string parent = dir;
    dir = JoinPath(dir, part);
    for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
      const std::string own = CRISP_TRY(ReadFile(JoinPath(dir, file)));
      if (!Trim(own).empty()) continue;
      const std::string inherited = CRISP_TRY(ReadFile(JoinPath(parent, file)));
      CRISP_RETURN_IF_ERROR(WriteControlFile(AT_FDCWD, JoinPath(dir, file), Trim(inherited)));
    }
  }
  return OkStatus();
}

}  // namespace

Status CgroupDir::EnsureCreated() const {
  for (const std::string& dir : Dirs()) CRISP_RETURN_IF_ERROR(EnsureDirectory(dir));
  if (const std::string cpuset = layout_->MountOf("cpuset"); !layout_->v2 && !cpuset.empty()) {
    CRISP_RETURN_IF_ERROR(InheritCpuset(cpuset, path_).Wrap("cgroup ", path_));
  }
  return OkStatus();
}

Status CgroupDir::AddProcess(pid_t pid) const {
  for (const std::string& dir : Dirs()) {
    CRISP_RETURN_IF_ERROR(WriteControlFile(AT_FDCWD, JoinPath(dir, "cgroup.procs"), Cat(pid)));
  }
  return OkStatus();
}

Result<std::vector<UniqueFd>> CgroupDir::OpenDirs() const {
  std::vector<UniqueFd> out;
  for (const std::string& dir : Dirs()) {
    out.push_back(CRISP_TRY(OpenFile(dir, O_PATH | O_DIRECTORY)));
  }
  return out;
}

bool CgroupDir::Exists() const {
  const std::vector<std::string> dirs = Dirs();
  return std::any_of(dirs.begin(), dirs.end(), [](const auto& dir) { return PathExists(dir); });
}

Result<std::vector<pid_t>> CgroupDir::Processes() const {
  std::set<pid_t> pids;
  for (const std::string& top : Dirs()) {
    CRISP_RETURN_IF_ERROR(VisitTree(top, [&](const std::string& dir) -> Status {
      auto text = crisp::ReadFile(JoinPath(dir, "cgroup.procs"));
      // A threaded group (v2): its processes are listed above it.
      if (!text.ok() && (IsGone(text.status()) || text.status().sys_errno() == EOPNOTSUPP)) {
        return OkStatus();
      }
      if (!text.ok()) return std::move(text).status();
      const std::vector<pid_t> here = ParsePids(*text);
      pids.insert(here.begin(), here.end());
      return OkStatus();
    }));
  }
  return std::vector<pid_t>(pids.begin(), pids.end());
}

std::vector<std::string> CgroupDir::ChildNames() const {
  std::vector<std::string> out;
  const std::vector<std::string> dirs = Dirs();
  if (dirs.empty()) return out;
  const auto dir = DirFd::Open(dirs.front());
  auto names = dir.ok() ? dir->List() : dir.status();
  if (!names.ok()) return out;
  for (std::string& name : *names) {
    struct stat st {};
    if (::fstatat(dir->get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
      out.push_back(std::move(name));
    }
  }
  return out;
}

Status CgroupDir::AwaitEmpty(MonoTime deadline) const {
  for (;;) {
    const std::vector<pid_t> pids = CRISP_TRY(Processes());
    if (pids.empty()) return OkStatus();
    // One after the other: the order does not matter, all must end.
    const UniqueFd process(::pidfd_open(pids.front(), 0));
    if (!process && IsShortage(errno)) return Errno("wait for process ", pids.front());
    if (!process) continue;  // ended meanwhile
    pollfd wait{process.get(), POLLIN, 0};
    const int n = ::poll(&wait, 1, PollTimeoutMs(deadline));
    if (n < 0 && errno != EINTR) return Errno("wait for process ", pids.front());
    if (n == 0) {
      return DeadlineExceeded("cgroup ", path_, ": ", pids.size(), " processes are still there");
    }
  }
}

namespace {

constexpr std::chrono::milliseconds kKillAgain{50};
constexpr int kFreezeTries = 50;  // of a millisecond

// Holds the group, as far as the kernel can, so that nobody in it forks while a list of its
// processes is made. What ends the hold is open from the beginning: nothing is left held for want
// of a descriptor.
class Standstill {
 public:
  Standstill(const CgroupDir& group, bool v2) {
    if (v2) {
      if (Hold(group.DirOf(""), "cgroup.freeze", "1", "0")) {
        Await([&] { return group.ReadFile("", "cgroup.events"); }, "frozen 1");
      }
    } else if (Hold(group.DirOf("freezer"), "freezer.state", "FROZEN", "THAWED")) {
      Await([&] { return group.ReadFile("freezer", "freezer.state"); }, "FROZEN");
    } else if (auto limit = group.ReadFile("pids", "pids.max"); limit.ok()) {
      // Of an exec of runc, which has a group of its own on this hierarchy alone.
      Hold(group.DirOf("pids"), "pids.max", "0", std::string(Trim(*limit)));
    }
  }
  ~Standstill() {
    if (file_) Write(file_, free_);
  }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

 private:
  bool Hold(const std::string& dir, const char* name, std::string_view held, std::string free) {
    if (dir.empty()) return false;
    auto file = OpenFile(JoinPath(dir, name), O_WRONLY);
    if (!file.ok() || !Write(*file, held)) return false;
    file_ = *std::move(file);
    free_ = std::move(free);
    return true;
  }
  static bool Write(const UniqueFd& file, std::string_view text) {
    return ::pwrite(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  }
  // Who sleeps uninterruptibly keeps it from being said, but does not fork either.
  template <typename Read>
  static void Await(const Read& read, std::string_view word) {
    for (int i = 0; i < kFreezeTries; ++i) {
      const auto text = read();
      if (!text.ok() || text->find(word) != std::string::npos) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  UniqueFd file_;
  std::string free_;
};

// Whether there are processes in a v2 group or below, and a descriptor that has POLLPRI when that
// changes (cgroup-v2.rst, "cgroup.events").
struct Population {
  UniqueFd changes;
  bool none = false;
};
Population WatchPopulation(const std::string& dir) {
  Population out;
  auto events = OpenFile(JoinPath(dir, "cgroup.events"), O_RDONLY);
  if (!events.ok()) return out;
  // Reading it is what the changes are counted from.
  const auto text = ReadAll(events->get(), 4096);
  if (!text.ok()) return out;
  out.none = text->find("populated 0") != std::string::npos;
  out.changes = *std::move(events);
  return out;
}

}  // namespace

Status CgroupDir::KillAtOnce(std::span<const pid_t> pids) const {
  std::map<pid_t, UniqueFd> opened;
  for (const pid_t pid : pids) {
    UniqueFd process(::pidfd_open(pid, 0));
    if (!process && IsShortage(errno)) return Errno("open process ", pid);
    if (process) opened.emplace(pid, std::move(process));
  }
  // Whom a descriptor names has kept its number: if that is in the group now, so is he, or dead.
  for (const pid_t pid : CRISP_TRY(Processes())) {
    const auto at = opened.find(pid);
    if (at != opened.end()) (void)::pidfd_send_signal(at->second.get(), SIGKILL, nullptr, 0);
  }
  return OkStatus();
}

// Many at once, and fewer where there are no descriptors for them.
Status CgroupDir::Kill(const std::vector<pid_t>& pids) const {
  size_t at_once = 256;
  std::span<const pid_t> left(pids);
  while (!left.empty()) {
    at_once = std::min(at_once, left.size());
    Status killed = KillAtOnce(left.first(at_once));
    if (killed.ok()) {
      left = left.subspan(at_once);
    } else if (at_once > 1 && IsShortage(killed.sys_errno())) {
      at_once /= 2;
    } else {
      return killed;
    }
  }
  return OkStatus();
}

// A frozen process of v1 does not die before it is thawed (cgroup-v1/freezer-subsystem.rst).
// Runtimes freeze a container while they change its device rules, and one that is killed then
// leaves it so.
void CgroupDir::Thaw() const {
  const std::string top = layout_->v2 ? std::string() : DirOf("freezer");
  if (top.empty()) return;
  (void)VisitTree(top, [](const std::string& dir) {
    (void)WriteControlFile(AT_FDCWD, JoinPath(dir, "freezer.state"), "THAWED");
    return OkStatus();
  });
}

// Who was being forked while the list was made is not in it, and goes on forking; held, nobody is.
Result<size_t> CgroupDir::KillListed(bool hold) const {
  std::optional<Standstill> standstill;
  if (hold) standstill.emplace(*this, layout_->v2);
  const auto pids = Processes();
  Status killed = pids.ok() ? Kill(*pids) : pids.status();
  if (hold || (pids.ok() && !pids->empty())) Thaw();
  if (!killed.ok()) return killed;
  return pids->size();
}

Status CgroupDir::KillAll(MonoTime deadline) const {
  if (path_.find_first_not_of('/') == std::string::npos) {
    return InvalidArgument("kill all processes of the root cgroup: refused");
  }
  auto pause = std::chrono::milliseconds(1);
  for (bool again = false;; again = true) {
    const Population population = layout_->v2 ? WatchPopulation(DirOf("")) : Population();
    if (population.none) return OkStatus();
    // cgroup.kill (v2, kernel 5.14) also catches what is being forked.
    const bool at_once = population.changes &&
                         WriteControlFile(AT_FDCWD, JoinPath(DirOf(""), "cgroup.kill"), "1").ok();
    if (!at_once && CRISP_TRY(KillListed(again)) == 0) return OkStatus();
    if (MonoNow() >= deadline) {
      const size_t left = CRISP_TRY(Processes()).size();
      if (left == 0) return OkStatus();
      return DeadlineExceeded("cgroup ", path_, ": ", left, " processes survive SIGKILL");
    }
    if (population.changes) {
      // Not for ever: somebody may have been moved here since.
      pollfd wait{population.changes.get(), POLLPRI, 0};
      (void)::poll(&wait, 1, PollTimeoutMs(std::min(deadline, MonoNow() + kKillAgain)));
    } else {
      // v1 tells nobody when a group gets empty; the processes die within microseconds, so this
      // rarely runs twice.
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, kKillAgain);
    }
  }
}

Status CgroupDir::EnsureRemoved() const {
  Status failed;
  int waits_left = 50;  // for all directories: what is really busy is busy on every hierarchy
  for (const std::string& top : Dirs()) {
    const Status visited = VisitTree(top, [&](const std::string& dir) -> Status {
      // A group is busy for some microseconds after its last process was reaped.
      for (;;) {
        if (::rmdir(dir.c_str()) == 0 || errno == ENOENT) return OkStatus();
        if (errno != EBUSY || waits_left == 0) break;
        --waits_left;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      failed = Errno("remove cgroup ", dir);
      if (failed.sys_errno() == EBUSY)
        failed = std::move(failed).WithCode(Code::kFailedPrecondition);
      return OkStatus();  // the others go all the same
    });
    if (!visited.ok()) failed = visited;
  }
  return failed;
}

void CgroupDir::RemoveIfEmpty() const {
  for (const std::string& dir : Dirs()) ::rmdir(dir.c_str());
}

Result<std::string> CgroupDir::ReadFile(std::string_view controller,
                                        const std::string& file) const {
  const std::string dir = DirOf(controller);
  if (dir.empty()) return NotFound("cgroup controller ", controller, " is not mounted");
  return crisp::ReadFile(JoinPath(dir, file), 1 << 20);
}

Status CgroupDir::WriteFile(std::string_view controller, const std::string& file,
                            std::string_view value) const {
  const std::string dir = DirOf(controller);
  if (dir.empty()) return NotFound("cgroup controller ", controller, " is not mounted");
  return WriteControlFile(AT_FDCWD, JoinPath(dir, file), value);
}

}  // namespace crisp
