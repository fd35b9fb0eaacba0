#include "pod/userns_pins.h"

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/core/child_process.h"
#include "base/core/file.h"
#include "base/core/namespace_report.h"

namespace crisp::pod {
namespace {

constexpr auto kHelperDeadline = std::chrono::seconds(10);

const char* StageName(int32_t stage) {
  switch (static_cast<NamespaceStage>(stage)) {
    case NamespaceStage::kArguments:
      return "read its arguments";
    case NamespaceStage::kJoin:
      return "enter the user namespace";
    case NamespaceStage::kBecomeRoot:
      return "become its root";
    case NamespaceStage::kUnshare:
      return "make namespaces";
  }
  return "start";
}

// A running helper whose namespaces are made.
struct Helper {
  ChildProcess child;
  UniqueFd control;

  std::string ProcPath(std::string_view name) const {
    return Cat("/proc/", child.pid(), "/", name);
  }
  // Lets it end by itself, which the destructor of a child would do the hard way.
  void End() {
    control.Reset();
    if (!child.Wait(MonoNow() + kHelperDeadline).ok()) child.KillAndReap();
  }
};

Status ReadReport(const UniqueFd& control, const std::string& binary) {
  const MonoTime deadline = MonoNow() + kHelperDeadline;
  for (;;) {
    pollfd wait{control.get(), POLLIN, 0};
    const int n = ::poll(&wait, 1, PollTimeoutMs(deadline));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return DeadlineExceeded(binary, " did not make namespaces in time");
    break;
  }
  NamespaceReport report{};
  const ssize_t n = ::read(control.get(), &report, sizeof(report));
  if (n != sizeof(report)) {
    return FailedPrecondition(binary, " ended without making namespaces: is it of this version?");
  }
  if (report.error == 0) return OkStatus();
  return ErrnoStatus(report.error, Cat(binary, " could not ", StageName(report.stage)));
}

Result<Helper> StartHelper(const NamespaceMaker& maker, std::vector<std::string> arguments,
                           const UniqueFd* user_namespace) {
  FdPair sockets = CRISP_TRY(MakeSocketPair(SOCK_SEQPACKET));
  SpawnOptions spawn;
  spawn.argv = {maker.init_binary};
  spawn.argv.insert(spawn.argv.end(), arguments.begin(), arguments.end());
  spawn.env = std::vector<std::string>();
  spawn.fds = {{sockets.second.get(), kNamespaceControlFd}};
  if (user_namespace != nullptr) spawn.fds.emplace_back(user_namespace->get(), kUserNamespaceFd);
  spawn.working_directory = "/";
  spawn.reaper = maker.reaper;
  Helper helper{CRISP_TRY(ChildProcess::Spawn(spawn)), std::move(sockets.first)};
  sockets.second.Reset();
  CRISP_RETURN_IF_ERROR(ReadReport(helper.control, maker.init_binary));
  return helper;
}

std::string MapLine(const oci::IdMapping& m) {
  return Cat(m.container_id, ' ', m.host_id, ' ', m.size, '\n');
}

Result<Helper> StartUserNamespace(const NamespaceMaker& maker, const oci::IdMapping& uids,
                                  const oci::IdMapping& gids) {
  Helper helper = CRISP_TRY(StartHelper(maker, {"--user-namespace"}, nullptr));
  CRISP_RETURN_IF_ERROR(WriteControlFile(AT_FDCWD, helper.ProcPath("uid_map"), MapLine(uids)));
  CRISP_RETURN_IF_ERROR(WriteControlFile(AT_FDCWD, helper.ProcPath("gid_map"), MapLine(gids)));
  return helper;
}

}  // namespace

Result<UniqueFd> MakeUserNamespace(const NamespaceMaker& maker, const oci::IdMapping& uids,
                                   const oci::IdMapping& gids) {
  Helper helper = CRISP_TRY(StartUserNamespace(maker, uids, gids).Wrap("user namespace"));
  UniqueFd fd = CRISP_TRY(OpenFile(helper.ProcPath("ns/user"), O_RDONLY).Wrap("user namespace"));
  helper.End();
  return fd;
}

Status PinUserNamespace(const NamespaceMaker& maker, const oci::IdMapping& uids,
                        const oci::IdMapping& gids, const std::string& path) {
  Helper helper = CRISP_TRY(StartUserNamespace(maker, uids, gids).Wrap("user namespace"));
  CRISP_RETURN_IF_ERROR(PinNamespacesOf(helper.child.pid(), {{CLONE_NEWUSER, path}}, nullptr));
  helper.End();
  return OkStatus();
}

Status PinOwnedNamespaces(const NamespaceMaker& maker, const std::string& user_namespace,
                          const std::vector<NamespacePin>& pins,
                          const std::function<Status()>& prepare) {
  int flags = 0;
  for (const NamespacePin& pin : pins) flags |= pin.type;
  const UniqueFd owner = CRISP_TRY(OpenFile(user_namespace, O_RDONLY));
  Helper helper = CRISP_TRY(StartHelper(maker, {"--namespaces", Cat(flags)}, &owner));
  CRISP_RETURN_IF_ERROR(PinNamespacesOf(helper.child.pid(), pins, prepare));
  helper.End();
  return OkStatus();
}

}  // namespace crisp::pod
