#include "tests/support/surroundings.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <system_error>
#include <vector>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "base/netns_handle.h"

namespace crisp::test {
namespace {

bool g_inside = false;
pid_t g_init = 1;

Status RemoveCgroup(const CgroupLayout& layout, const std::string& path) {
  const CgroupDir dir(&layout, path);
  CRISP_RETURN_IF_ERROR(dir.KillAll(MonoNow() + std::chrono::seconds(10)));
  return dir.EnsureRemoved();
}

// "crisp-test-<PID namespace>-", before the pid of a test program: groups are seen from other PID
// namespaces too, where the same number is another program, or none.
Result<std::string> GroupPrefix() {
  struct stat ns {};
  if (::stat("/proc/self/ns/pid", &ns) != 0) return Errno("stat /proc/self/ns/pid");
  return Cat("crisp-test-", ns.st_ino, "-");
}

// Groups of test programs that were killed and could not clean up.
Status RemoveStaleCgroups(const CgroupLayout& layout, const std::string& prefix) {
  std::vector<std::string> stale;
  for (const auto& [controller, mount] : layout.mounts) {
    DIR* dir = ::opendir(mount.c_str());
    if (dir == nullptr) continue;
    while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): one thread
      const std::string_view name = entry->d_name;
      if (!name.starts_with(prefix)) continue;
      pid_t pid = 0;
      std::from_chars(name.data() + prefix.size(), name.data() + name.size(), pid);
      if (pid > 0 && ::kill(pid, 0) != 0) stale.emplace_back(Cat("/", name));
    }
    ::closedir(dir);
  }
  for (const std::string& path : stale) CRISP_RETURN_IF_ERROR(RemoveCgroup(layout, path));
  return OkStatus();
}

// Mounts every hierarchy anew: in this cgroup namespace they show our subtree only.
Status RemountCgroups(const CgroupLayout& layout) {
  CRISP_RETURN_IF_ERROR(EnsureUnmounted("/sys/fs/cgroup/unified"));
  if (layout.v2) {
    const std::string& mount = layout.mounts.front().second;
    CRISP_RETURN_IF_ERROR(EnsureUnmounted(mount, /*detach=*/true));
    return Mount("cgroup2", mount, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
  }
  std::map<std::string, std::string> options;  // by mount point: "cpu,cpuacct"
  for (const auto& [controller, mount] : layout.mounts) {
    std::string& all = options[mount];
    if (controller.starts_with("name=")) all = "none";
    all += Cat(all.empty() ? "" : ",", controller);
  }
  for (const auto& [mount, all] : options) {
    CRISP_RETURN_IF_ERROR(EnsureUnmounted(mount, /*detach=*/true));
    CRISP_RETURN_IF_ERROR(Mount("cgroup", mount, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, all));
  }
  return OkStatus();
}

// v2: a group with processes cannot give controllers to groups below it (cgroup-v2.rst, "No
// Internal Process Constraint"), so everybody who is in the subtree moves one down. Before the
// hierarchies are mounted anew: the paths are the machine's.
Status DelegateControllers(const CgroupLayout& layout, const CgroupDir& subtree) {
  if (!layout.v2) return OkStatus();
  const CgroupDir tests(&layout, JoinPath(subtree.path(), "test"));
  CRISP_RETURN_IF_ERROR(tests.EnsureCreated());
  CRISP_RETURN_IF_ERROR(tests.AddProcess(::getpid()));
  const std::string available = CRISP_TRY(subtree.ReadFile("", "cgroup.controllers"));
  std::string wanted;
  for (size_t begin = 0; begin < available.size();) {
    const size_t end = std::min(available.find_first_of(" \n", begin), available.size());
    if (end > begin) wanted += Cat("+", available.substr(begin, end - begin), " ");
    begin = end + 1;
  }
  return subtree.WriteFile("", "cgroup.subtree_control", wanted);
}

// What of the machine's /run is needed to speak to systemd.
std::vector<std::string> KeptInRun() {
  return UsesSystemd() ? std::vector<std::string>{"dbus", "systemd"} : std::vector<std::string>{};
}

// An empty /run, in which `kept` directories of the old one are still seen.
Status MountRun(const std::vector<std::string>& kept) {
  const std::string fresh = "/tmp";  // any directory; it is covered for a moment only
  CRISP_RETURN_IF_ERROR(Mount("tmpfs", fresh, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"));
  for (const std::string& name : kept) {
    CRISP_RETURN_IF_ERROR(EnsureDirectory(JoinPath(fresh, name)));
    CRISP_RETURN_IF_ERROR(
        Mount(JoinPath("/run", name), JoinPath(fresh, name), "", MS_BIND | MS_REC, ""));
  }
  return Mount(fresh, "/run", "", MS_MOVE, "");
}

Status MakeMachine(const CgroupLayout& layout) {
  // First away from the host, then shared inside: bidirectional propagation needs shared mounts.
  CRISP_RETURN_IF_ERROR(Mount("none", "/", "", MS_REC | MS_PRIVATE, ""));
  if (UsesSystemd()) {
    CRISP_RETURN_IF_ERROR(MountRun(KeptInRun()));
  } else {
    CRISP_RETURN_IF_ERROR(Mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""));
    CRISP_RETURN_IF_ERROR(RemountCgroups(layout));
    CRISP_RETURN_IF_ERROR(MountRun(KeptInRun()));
  }
  CRISP_RETURN_IF_ERROR(Mount("none", "/", "", MS_REC | MS_SHARED, ""));
  return BringLoopbackUp();
}

int ExitCodeOf(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

int Await(pid_t child) {
  int wait_status = 0;
  while (::waitpid(child, &wait_status, 0) < 0 && errno == EINTR) {
  }
  return ExitCodeOf(wait_status);
}

constexpr int kBroken = 125;

int Broken(const Status& status) {
  std::fprintf(stderr, "test surroundings: %s\n", status.ToString().c_str());
  return kBroken;
}

// Runs the body in a child and reaps until it has ended; its exit code.
int Supervise(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int result = body();
    std::fflush(nullptr);
    ::_exit(result);
  }
  for (;;) {
    int wait_status = 0;
    const pid_t ended = ::waitpid(-1, &wait_status, 0);
    if (ended == child) return ExitCodeOf(wait_status);
    if (ended < 0 && errno != EINTR) return kBroken;
  }
}

// Process 1 of the new PID namespace: with it ends everything in there.
[[noreturn]] void RunInit(const CgroupLayout& layout, const std::function<int()>& body) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  g_init = ::getpid();
  if (const Status made = MakeMachine(layout); !made.ok()) ::_exit(Broken(made));
  ::_exit(Supervise(body));
}

// Enters the subtree and the namespaces; the machine outside sees this process only.
[[noreturn]] void RunUnshared(const CgroupLayout& layout, const CgroupDir& subtree,
                              const std::function<int()>& body) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Status status = subtree.AddProcess(::getpid());
  if (status.ok() && ::unshare(CLONE_NEWCGROUP | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID |
                               CLONE_NEWIPC | CLONE_NEWUTS) != 0) {
    status = Errno("unshare");
  }
  if (status.ok()) status = DelegateControllers(layout, subtree);
  if (!status.ok()) ::_exit(Broken(status));
  const pid_t init = ::fork();
  if (init == 0) RunInit(layout, body);
  ::_exit(Await(init));
}

// Kills all descendants: who loses its parent becomes a child of this subreaper.
void KillDescendants() {
  const std::string list = Cat("/proc/self/task/", ::getpid(), "/children");
  for (;;) {
    const Result<std::string> children = ReadFile(list);
    std::string_view rest = children.ok() ? *children : std::string_view();
    while (!rest.empty()) {
      pid_t pid = 0;
      std::from_chars(rest.data(), rest.data() + rest.size(), pid);
      if (pid > 0) ::kill(pid, SIGKILL);
      const size_t space = rest.find(' ');
      rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
    }
    if (::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) return;
  }
}

// The second kind. Its own namespaces are those that systemd does not have to look into.
[[noreturn]] void RunBesideSystemd(const CgroupLayout& layout, const std::function<int()>& body) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  g_init = ::getpid();
  Status status;
  if (!PathExists("/run/systemd/system")) {  // sd_booted(3)
    status = FailedPrecondition("CRISP_TEST_CGROUP_DRIVER=systemd, but systemd is not process 1");
  } else if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 ||
             ::unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0) {
    status = Errno("unshare");
  } else {
    status = MakeMachine(layout);
  }
  if (!status.ok()) ::_exit(Broken(status));
  const int result = Supervise(body);
  KillDescendants();
  ::_exit(result);
}

int RunWithOwnGroups(const CgroupLayout& layout, const std::function<int()>& body) {
  const Result<std::string> prefix = GroupPrefix();
  if (!prefix.ok()) return Broken(prefix.status());
  if (const Status swept = RemoveStaleCgroups(layout, *prefix); !swept.ok()) return Broken(swept);
  const std::string path = Cat("/", *prefix, ::getpid());
  const CgroupDir subtree(&layout, path);
  if (const Status made = subtree.EnsureCreated(); !made.ok()) return Broken(made);
  const pid_t unshared = ::fork();
  if (unshared == 0) RunUnshared(layout, subtree, body);
  const int result = Await(unshared);
  const Status removed = RemoveCgroup(layout, path);
  return removed.ok() ? result : Broken(removed);
}

}  // namespace

bool InSurroundings() { return g_inside; }

pid_t SurroundingsInit() { return g_init; }

bool UsesSystemd() {
  static const bool systemd = [] {
    const char* driver = std::getenv("CRISP_TEST_CGROUP_DRIVER");  // NOLINT(concurrency-mt-unsafe)
    const std::string_view name = driver == nullptr ? "" : driver;
    if (name == "systemd") return true;
    if (name.empty() || name == "cgroupfs") return false;
    std::fprintf(stderr, "CRISP_TEST_CGROUP_DRIVER: '%s' is neither cgroupfs nor systemd\n",
                 driver);
    std::exit(2);  // NOLINT(concurrency-mt-unsafe)
  }();
  return systemd;
}

bool TmpfsHasIdmaps() {
  utsname name{};
  int major = 0;
  int minor = 0;
  if (::uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 6 || (major == 6 && minor >= 3);
}

Status RunOnDisk::Enter() {
  char name[] = "/var/tmp/crisp-run-XXXXXX";
  if (::mkdtemp(name) == nullptr) return Errno("mkdtemp ", name);
  disk_ = name;
  if (::chmod(name, 0755) != 0) return Errno("chmod ", name);
  for (const std::string& kept : KeptInRun()) {
    CRISP_RETURN_IF_ERROR(EnsureDirectory(JoinPath(disk_, kept)));
    CRISP_RETURN_IF_ERROR(
        BindMount(JoinPath("/run", kept), JoinPath(disk_, kept), /*recursive=*/true));
  }
  CRISP_RETURN_IF_ERROR(BindMount(disk_, "/run", /*recursive=*/true));
  return Mount("none", "/run", "", MS_REC | MS_SHARED, "");
}

Status RunOnDisk::Leave() {
  if (disk_.empty()) return OkStatus();
  if (::umount2("/run", MNT_DETACH) != 0) return Errno("umount /run");
  for (const std::string& kept : KeptInRun()) {
    CRISP_RETURN_IF_ERROR(EnsureUnmounted(JoinPath(disk_, kept), /*detach=*/true));
    // Before anything is removed: these were the machine's own.
    if (::rmdir(JoinPath(disk_, kept).c_str()) != 0) return Errno("rmdir ", disk_, "/", kept);
  }
  std::error_code failed;
  std::filesystem::remove_all(disk_, failed);
  if (failed) return Internal("remove ", disk_, ": ", failed.message());
  disk_.clear();
  return OkStatus();
}

int RunInSurroundings(const std::function<int()>& body) {
  ::signal(SIGPIPE, SIG_IGN);
  if (::geteuid() != 0) return body();
  const Result<CgroupLayout> layout = CgroupLayout::Detect();
  if (!layout.ok()) return Broken(layout.status());
  g_inside = true;
  std::fflush(nullptr);
  if (!UsesSystemd()) return RunWithOwnGroups(*layout, body);
  const pid_t supervisor = ::fork();
  if (supervisor == 0) RunBesideSystemd(*layout, body);
  return Await(supervisor);
}

}  // namespace crisp::test
