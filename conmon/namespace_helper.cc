#include "conmon/namespace_helper.h"

#include <grp.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/core/namespace_report.h"

namespace crisp::conmon {
namespace {

constexpr int kAllowed = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

// The namespaces live as long as this process, and this process as long as its starter wants.
int ReportAndWait(NamespaceStage stage, int error) {
  const NamespaceReport report{static_cast<int32_t>(stage), error};
  if (::write(kNamespaceControlFd, &report, sizeof(report)) != sizeof(report)) return 1;
  if (error != 0) return 1;
  char ignored;
  ssize_t n;
  do {
    n = ::read(kNamespaceControlFd, &ignored, 1);
  } while (n > 0 || (n < 0 && errno == EINTR));
  return 0;
}

}  // namespace

int HoldUserNamespace() {
  const int error = ::unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
  return ReportAndWait(NamespaceStage::kUnshare, error);
}

int HoldNamespaces(const char* flags) {
  char* end = nullptr;
  const long wanted = std::strtol(flags, &end, 10);
  if (*flags == '\0' || *end != '\0' || wanted <= 0 || (wanted & ~long{kAllowed}) != 0) {
    return ReportAndWait(NamespaceStage::kArguments, EINVAL);
  }
  if (::setns(kUserNamespaceFd, CLONE_NEWUSER) != 0) {
    return ReportAndWait(NamespaceStage::kJoin, errno);
  }
  // Root in there before anything is made: an IPC namespace's mqueue file system belongs to its
  // maker, and an owner without a mapping could not use it.
  if (::setgroups(0, nullptr) != 0 || ::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) {
    return ReportAndWait(NamespaceStage::kBecomeRoot, errno);
  }
  const int error = ::unshare(static_cast<int>(wanted)) == 0 ? 0 : errno;
  return ReportAndWait(NamespaceStage::kUnshare, error);
}

}  // namespace crisp::conmon
