#include "pod/exec_tree.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "base/core/file.h"

namespace crisp::pod {
namespace {

struct ProcessLink {
  pid_t parent = 0;
  pid_t session = 0;
};

// proc_pid_stat(5): "pid (comm) state ppid pgrp session ..."; comm may hold anything.
bool ReadLink(pid_t pid, ProcessLink* out) {
  auto stat = ReadFile(Cat("/proc/", pid, "/stat"), 4096);
  if (!stat.ok()) return false;
  const size_t paren = stat->rfind(')');
  if (paren == std::string::npos || paren + 4 > stat->size()) return false;
  const char* at = stat->data() + paren + 4;  // after ") S "
  const char* end = stat->data() + stat->size();
  pid_t group = 0;
  for (pid_t* field : {&out->parent, &group, &out->session}) {
    const auto [next, error] = std::from_chars(at, end, *field);
    if (error != std::errc()) return false;
    at = next + 1;
  }
  return true;
}

// Those of the container's processes that descend from `root` or are in its session.
std::set<pid_t> Descendants(pid_t root, const std::vector<pid_t>& pids) {
  std::map<pid_t, ProcessLink> links;
  for (pid_t pid : pids) {
    ProcessLink link;
    if (ReadLink(pid, &link)) links[pid] = link;
  }
  std::set<pid_t> tree;
  for (const auto& [pid, link] : links) {
    if (pid == root || link.session == root) tree.insert(pid);
  }
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [pid, link] : links) {
      if (tree.contains(link.parent) && tree.insert(pid).second) grown = true;
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
