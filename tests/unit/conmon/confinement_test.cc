#include "conmon/confinement.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/core/file.h"

namespace crisp::conmon {
namespace {

#ifdef CRISP_NO_FILTER
constexpr bool kFiltered = false;
#else
constexpr bool kFiltered = true;
#endif

// The errno of what `run` returned -1 for, in a confined child; 0: it succeeded; 200 and more: the
// child did not come that far.
template <typename Call>
int ErrnoInConfinement(Call&& run) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (!Confine().ok()) ::_exit(200);
    ::_exit(run() == -1 ? errno : 0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 201;
}

TEST(Confinement, WhatIsNotNeededIsRefused) {
  if (!kFiltered) GTEST_SKIP() << "a sanitizer's runtime cannot live under the filter";
  EXPECT_EQ(ErrnoInConfinement([] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }), ENOSYS);
  EXPECT_EQ(ErrnoInConfinement([] { return ::unshare(CLONE_NEWUSER); }), ENOSYS);
  EXPECT_EQ(ErrnoInConfinement([] { return ::mount("", "/", "", MS_REMOUNT, nullptr); }), ENOSYS);
  EXPECT_EQ(ErrnoInConfinement([] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }),
            ENOSYS);
  EXPECT_EQ(ErrnoInConfinement([] { return ::syscall(SYS_bpf, 0, nullptr, 0); }), ENOSYS);
  EXPECT_EQ(ErrnoInConfinement([] { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }), ENOSYS);
  EXPECT_EQ(ErrnoInConfinement([] { return ::ioctl(0, TIOCSTI, "x"); }), ENOSYS);
  EXPECT_EQ(ErrnoInConfinement([] {
              return ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0);
            }),
            ENOSYS);
  EXPECT_EQ(ErrnoInConfinement([] {
              void* const page =
                  ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return page == MAP_FAILED ? -1 : 0;
            }),
            ENOSYS);
}

TEST(Confinement, FilesMemoryAndChildrenRemain) {
  EXPECT_EQ(ErrnoInConfinement([] { return ::open("/dev/null", O_WRONLY | O_CLOEXEC); }), 0);
  EXPECT_EQ(ErrnoInConfinement([] {
              void* const page = ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return page == MAP_FAILED ? -1 : ::munmap(page, 1 << 20);
            }),
            0);
  EXPECT_EQ(ErrnoInConfinement([] {
              const pid_t pid = ::fork();
              if (pid == 0) ::_exit(0);
              return pid < 0 || ::waitpid(pid, nullptr, 0) != pid ? -1 : 0;
            }),
            0);
}

TEST(Confinement, TheKernelSaysSo) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ForbidTracing();
    const bool hidden = ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
    const Status confined = Confine();
    const auto status = ReadFile("/proc/self/status");
    std::string text = status.ok() ? *status : status.status().ToString();
    if (!confined.ok()) text += confined.ToString();
    if (!hidden) text += "dumpable";
    ::_exit(WriteAll(pipe[1], text).ok() ? 0 : 1);
  }
  ::close(pipe[1]);
  const UniqueFd read_end(pipe[0]);
  const std::string text = ReadAll(read_end.get()).value();
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(text.find("dumpable"), std::string::npos);
  const auto value = [&text](const std::string& key) {
    const size_t at = text.find("\n" + key + ":\t");
    return at == std::string::npos
               ? text
               : text.substr(at + key.size() + 3, text.find('\n', at + 1) - at - key.size() - 3);
  };
  if (kFiltered) {
    EXPECT_EQ(value("Seccomp"), "2");
  }
  EXPECT_EQ(value("NoNewPrivs"), "1");
  const std::string kill = "0000000000000020";
  const std::string none = "0000000000000000";
  EXPECT_EQ(value("CapInh"), none);
  EXPECT_EQ(value("CapEff"), ::geteuid() == 0 ? kill : none);
  EXPECT_EQ(value("CapPrm"), value("CapEff"));
  EXPECT_EQ(value("CapAmb"), none);
  if (::geteuid() == 0) {
    EXPECT_EQ(value("CapBnd"), kill);
  }
}

}  // namespace
}  // namespace crisp::conmon
