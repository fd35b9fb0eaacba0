#include "tests/support/surroundings.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <vector>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "base/netns_handle.h"

namespace crisp::test {
namespace {

constexpr char kPrefix[] = "crisp-test-";

bool g_inside = false;

Status RemoveCgroup(const CgroupLayout& layout, const std::string& path) {
  const CgroupDir dir(&layout, path);
  CRISP_RETURN_IF_ERROR(dir.KillAll(MonoNow() + std::chrono::seconds(10)));
  return dir.EnsureRemoved();
}

// Groups of test programs that were killed and could not clean up.
Status RemoveStaleCgroups(const CgroupLayout& layout) {
  std::vector<std::string> stale;
  for (const auto& [controller, mount] : layout.mounts) {
    DIR* dir = ::opendir(mount.c_str());
    if (dir == nullptr) continue;
    while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): one thread
      const std::string_view name = entry->d_name;
      if (!name.starts_with(kPrefix)) continue;
      pid_t pid = 0;
      std::from_chars(name.data() + sizeof(kPrefix) - 1, name.data() + name.size(), pid);
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
// Internal Process Constraint"), so the test itself moves one down.
Status DelegateControllers(const CgroupLayout& layout) {
  if (!layout.v2) return OkStatus();
  const std::string& root = layout.mounts.front().second;
  CRISP_RETURN_IF_ERROR(EnsureDirectory(Cat(root, "/test")));
  CRISP_RETURN_IF_ERROR(WriteControlFile(AT_FDCWD, Cat(root, "/test/cgroup.procs"), "0"));
  const std::string available = CRISP_TRY(ReadFile(Cat(root, "/cgroup.controllers")));
  std::string wanted;
  for (size_t begin = 0; begin < available.size();) {
    const size_t end = std::min(available.find_first_of(" \n", begin), available.size());
    if (end > begin) wanted += Cat("+", available.substr(begin, end - begin), " ");
    begin = end + 1;
  }
  return WriteControlFile(AT_FDCWD, Cat(root, "/cgroup.subtree_control"), wanted);
}

Status MakeMachine(const CgroupLayout& layout) {
  // First away from the host, then shared inside: bidirectional propagation needs shared mounts.
  CRISP_RETURN_IF_ERROR(Mount("none", "/", "", MS_REC | MS_PRIVATE, ""));
  CRISP_RETURN_IF_ERROR(Mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""));
  CRISP_RETURN_IF_ERROR(RemountCgroups(layout));
  CRISP_RETURN_IF_ERROR(Mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"));
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

// Process 1 of the new PID namespace: reaps until the body has ended.
[[noreturn]] void RunInit(const CgroupLayout& layout, const std::function<int()>& body) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (const Status made = MakeMachine(layout); !made.ok()) ::_exit(Broken(made));
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
    if (ended == child) ::_exit(ExitCodeOf(wait_status));
    if (ended < 0 && errno != EINTR) ::_exit(kBroken);
  }
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
  if (!status.ok()) ::_exit(Broken(status));
  const pid_t init = ::fork();
  if (init == 0) RunInit(layout, body);
  ::_exit(Await(init));
}

}  // namespace

bool InSurroundings() { return g_inside; }

int RunInSurroundings(const std::function<int()>& body) {
  ::signal(SIGPIPE, SIG_IGN);
  if (::geteuid() != 0) return body();
  const Result<CgroupLayout> layout = CgroupLayout::Detect();
  if (!layout.ok()) return Broken(layout.status());
  if (const Status swept = RemoveStaleCgroups(*layout); !swept.ok()) return Broken(swept);
  const std::string path = Cat("/", kPrefix, ::getpid());
  const CgroupDir subtree(&*layout, path);
  if (const Status made = subtree.EnsureCreated(); !made.ok()) return Broken(made);
  g_inside = true;
  std::fflush(nullptr);
  const pid_t unshared = ::fork();
  if (unshared == 0) {
    RunUnshared(*layout, subtree, [&] {
      const Status delegated = DelegateControllers(*layout);
      return delegated.ok() ? body() : Broken(delegated);
    });
  }
  const int result = Await(unshared);
  const Status removed = RemoveCgroup(*layout, path);
  return removed.ok() ? result : Broken(removed);
}

}  // namespace crisp::test
