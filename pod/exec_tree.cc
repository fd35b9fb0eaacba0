#include "pod/exec_tree.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "base/core/process_stat.h"

namespace crisp::pod {
namespace {

// Those of the container's processes that descend from `root` or are in its session.
std::set<pid_t> Descendants(pid_t root, const std::vector<pid_t>& pids) {
  std::map<pid_t, ProcessStat> found;
  for (pid_t pid : pids) {
    if (const auto stat = ReadProcessStat(pid); stat.ok()) found.emplace(pid, *stat);
  }
  std::set<pid_t> tree;
  for (const auto& [pid, stat] : found) {
    if (pid == root || stat.session == root) tree.insert(pid);
  }
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [pid, stat] : found) {
      if (tree.contains(stat.parent) && tree.insert(pid).second) grown = true;
    }
  }
  return tree;
}

}  // namespace

Status ExecTree::Kill(MonoTime deadline) const {
  if (!sub_cgroup.path().empty()) {
    CRISP_RETURN_IF_ERROR(sub_cgroup.KillAll(deadline));
  }
  auto pause = std::chrono::milliseconds(1);
  for (;;) {
    const std::set<pid_t> tree = Descendants(pid, CRISP_TRY(container.Processes()));
    if (tree.empty()) return OkStatus();
    CRISP_RETURN_IF_ERROR(container.Kill({tree.begin(), tree.end()}));
    if (MonoNow() >= deadline) {
      return DeadlineExceeded(tree.size(), " processes of the exec survive SIGKILL");
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(50));
  }
}

}  // namespace crisp::pod
