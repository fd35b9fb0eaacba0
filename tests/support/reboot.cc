#include "tests/support/reboot.h"

#include <poll.h>
#include <signal.h>
#include <sys/mount.h>

#include <algorithm>
#include <set>

#include "base/cgroup_dir.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/mount_table.h"
#include "tests/support/patience.h"

namespace crisp::test {
namespace {

constexpr char kBootId[] = "/proc/sys/kernel/random/boot_id";

// The monitors of containers that have died end by themselves.
Status AwaitMonitorsGone(const std::string& containers) {
  const MonoTime deadline = MonoNow() + Patient(std::chrono::seconds(10));
  for (;;) {
    const auto dir = DirFd::Open(containers);
    if (!dir.ok()) return OkStatus();
    bool any = false;
    for (const std::string& id : CRISP_TRY(dir->List())) {
      any = any || PathExists(Cat(containers, "/", id, "/monitor.sock"));
    }
    if (!any) return OkStatus();
    if (MonoNow() > deadline) return DeadlineExceeded("monitors do not end");
    ::poll(nullptr, 0, 10);
  }
}

// Newest first, those on top of others before them.
Status UnmountBelow(const std::string& dir) {
  std::vector<std::string> below;
  for (const MountEntry& entry : CRISP_TRY(ReadMountTable())) {
    if (entry.point.starts_with(Cat(dir, "/"))) below.push_back(entry.point);
  }
  for (auto target = below.rbegin(); target != below.rend(); ++target) {
    CRISP_RETURN_IF_ERROR(EnsureUnmounted(*target, /*detach=*/true));
  }
  return OkStatus();
}

// The chains that plugins made for each pod; a boot begins without them.
Status DropRulesOfPods() {
  RunOptions run;
  run.argv = {"sh", "-c",
              "iptables-save -t nat | grep -Ev 'CNI-[0-9a-f]{24}' | iptables-restore -T nat"};
  const RunOutput output = CRISP_TRY(Run(run));
  return output.status.success() ? OkStatus() : Internal("nat rules: ", output.stderr_data);
}

}  // namespace

Result<std::unique_ptr<Reboot>> Reboot::Of(const TestDaemon& daemon,
                                           const std::vector<pid_t>& running) {
  for (const pid_t pid : running) {
    if (pid <= 1 || ::kill(pid, SIGKILL) != 0) return Errno("kill ", pid);
  }
  CRISP_RETURN_IF_ERROR(AwaitMonitorsGone(Cat(daemon.state(), "/containers")));
  CRISP_RETURN_IF_ERROR(UnmountBelow(daemon.state()));
  CRISP_RETURN_IF_ERROR(RemoveTreeAt(daemon.state()));
  CRISP_RETURN_IF_ERROR(EnsureDirectory(daemon.state()));
  CRISP_RETURN_IF_ERROR(DropRulesOfPods());
  const CgroupLayout layout = CRISP_TRY(CgroupLayout::Detect());
  CRISP_RETURN_IF_ERROR(CgroupDir(&layout, daemon.default_cgroup_parent())
                            .KillAll(MonoNow() + Patient(std::chrono::seconds(5))));
  CRISP_RETURN_IF_ERROR(CgroupDir(&layout, daemon.default_cgroup_parent()).EnsureRemoved());
  std::unique_ptr<Reboot> out(new Reboot);
  const std::string file = daemon.Path("boot_id");
  CRISP_RETURN_IF_ERROR(WriteFile(file, "00000000-1111-2222-3333-444444444444\n"));
  CRISP_RETURN_IF_ERROR(BindMount(file, kBootId));
  out->boot_id_ = ScopedMount(kBootId);
  return out;
}

}  // namespace crisp::test
