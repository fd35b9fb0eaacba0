// What crisp-pull gives up, tried in a process of its own: the filter stays for ever.
#include "image/pull/confinement.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <thread>

#include "base/core/child_process.h"
#include "base/core/unique_fd.h"

namespace crisp::image {
namespace {

#ifndef CRISP_NO_FILTER
bool IsMissing(long result) { return result == -1 && errno == ENOSYS; }

bool HasFamily(int family, int type) {
  const UniqueFd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  return static_cast<bool>(fd) || errno != EAFNOSUPPORT;
}

bool RunsThreadsAndPrograms() {
  bool ran = false;
  std::thread([&] { ran = true; }).join();
  RunOptions run;
  run.argv = {"/bin/true"};
  run.deadline = MonoNow() + std::chrono::seconds(20);
  const auto output = Run(run);
  return ran && output.ok() && output->status.success();
}

// Ends the process, with 0 if all is as it should be.
[[noreturn]] void Try() {
  ::signal(SIGPIPE, SIG_IGN);
  const auto demand = [](bool ok, const char* what) {
    if (ok) return;
    std::fprintf(stderr, "%s\n", what);
    ::_exit(1);
  };
  demand(Confine().ok(), "confine");
  demand(::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2, "filter");
  demand(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no_new_privs");
  demand(IsMissing(::syscall(SYS_keyctl, 0, -3, 0)), "keyctl");
  demand(IsMissing(::syscall(SYS_bpf, 0, nullptr, 0)), "bpf");
  demand(IsMissing(::syscall(SYS_io_uring_setup, 1, nullptr)), "io_uring_setup");
  demand(IsMissing(::syscall(SYS_process_vm_readv, ::getpid(), nullptr, 0, nullptr, 0, 0)),
         "process_vm_readv");
  demand(IsMissing(::unshare(CLONE_NEWUSER)), "a user namespace");
  demand(IsMissing(::unshare(CLONE_NEWNET | CLONE_NEWNS)), "a network namespace");
  demand(IsMissing(::unshare(CLONE_NEWTIME)), "a time namespace");
  demand(IsMissing(::syscall(SYS_clone3, nullptr, 0)), "clone3");
  demand(IsMissing(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)), "clone");
  demand(::unshare(CLONE_FS) == 0, "unshare of the working directory");
  demand(!IsMissing(::unshare(CLONE_NEWNS)), "a mount namespace");
  demand(!HasFamily(AF_ALG, SOCK_SEQPACKET), "AF_ALG");
  demand(!HasFamily(AF_PACKET, SOCK_DGRAM), "AF_PACKET");
  demand(HasFamily(AF_UNIX, SOCK_STREAM), "AF_UNIX");
  demand(HasFamily(AF_INET, SOCK_STREAM), "AF_INET");
  demand(HasFamily(AF_NETLINK, SOCK_RAW), "AF_NETLINK");
  demand(RunsThreadsAndPrograms(), "threads and programs");
  ::_exit(0);
}

TEST(ConfinementDeathTest, WhatPullsNeedRemains) {
  EXPECT_EXIT(Try(), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace crisp::image
