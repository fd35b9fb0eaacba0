// Where the container's process begins: cri-contract 8.1.
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "oci/spec_parts.h"

namespace crisp::oci {
namespace {

// /proc/self, /proc/thread-self, /proc/<pid> and what is below. A runtime that changes directory
// before it has closed its own descriptors lands on the host through /proc/self/fd (CVE-2024-21626,
// runc before 1.1.12).
bool IsProcess(std::string_view path) {
  // The runtime makes it a link to /proc/self/fd (runtime-spec, "Dev symbolic links").
  if (path == "/dev/fd" || path.starts_with("/dev/fd/")) return true;
  constexpr std::string_view kProc = "/proc/";
  if (!path.starts_with(kProc)) return false;
  path.remove_prefix(kProc.size());
  const std::string_view name = path.substr(0, path.find('/'));
  return name == "self" || name == "thread-self" ||
         (!name.empty() && std::all_of(name.begin(), name.end(),
                                       [](unsigned char c) { return std::isdigit(c) != 0; }));
}

Result<std::string> PathOf(const DirFd& directory) {
  char path[PATH_MAX];
  const ssize_t n = ::readlink(Cat("/proc/self/fd/", directory.get()).c_str(), path, sizeof(path));
  if (n < 0) return Errno("read link of a directory");
  return std::string(path, static_cast<size_t>(n));
}

Status Refuse(const std::string& cwd) {
  return InvalidArgument("'", cwd, "' is or leads to the directory of a process in /proc");
}

}  // namespace

Status MakeWorkingDirectory(const DirFd& rootfs, const std::string& cwd) {
  if (IsProcess(cwd)) return Refuse(cwd);
  auto made = rootfs.EnsureDirInRoot(cwd);
  if (!made.ok() && made.status().sys_errno() == ENOTDIR) {
    return InvalidArgument(cwd, " is not a directory in the image");
  }
  CRISP_RETURN_IF_ERROR(std::move(made).status());
  // The image's links are resolved now.
  const std::string root = CRISP_TRY(PathOf(rootfs));
  const std::string path = CRISP_TRY(PathOf(*made));
  if (path.starts_with(root) && IsProcess(std::string_view(path).substr(root.size()))) {
    return Refuse(cwd);
  }
  return OkStatus();
}

}  // namespace crisp::oci
