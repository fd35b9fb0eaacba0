// crisp-init: PID 1 of a PID namespace that the containers of a pod share.
//
// It is the only file of its rootfs. It reaps what is left to it (pid_namespaces(7): orphans become
// children of the namespace's PID 1), sleeps, and ends on SIGTERM, upon which the kernel kills the
// namespace.
//
// With an option it is the helper that makes namespaces (namespace_helper.h).
//
// Containers see it in /proc, of a shared PID namespace or of the host's. Not being dumpable
// (ptrace(2), access mode checking) keeps those without CAP_SYS_PTRACE from its memory and from
// /proc/<pid>/root.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "conmon/namespace_helper.h"

int main(int argc, char** argv) {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    constexpr char kVersion[] = "crisp-init " CRISP_VERSION "\n";
    return ::write(STDOUT_FILENO, kVersion, sizeof(kVersion) - 1) < 0 ? 1 : 0;
  }
  if (argc == 2 && std::strcmp(argv[1], "--user-namespace") == 0) {
    return crisp::conmon::HoldUserNamespace();
  }
  if (argc == 3 && std::strcmp(argv[1], "--namespaces") == 0) {
    return crisp::conmon::HoldNamespaces(argv[2]);
  }
  if (argc != 1) {
    constexpr char kUsage[] =
        "usage: crisp-init [--version | --user-namespace | --namespaces FLAGS]\n";
    return ::write(STDERR_FILENO, kUsage, sizeof(kUsage) - 1) < 0 ? 1 : 2;
  }
  // All blocked: a signal without a handler is not delivered to a namespace's PID 1, a blocked one
  // waits for sigwaitinfo.
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  for (;;) {
    while (::waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
    }
    if (::sigwaitinfo(&all, nullptr) == SIGTERM) return 0;
  }
}
