// Relabelling of volumes: cri-contract 9.9.
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/dir_fd.h"
#include "base/core/tree_walk.h"
#include "oci/selinux.h"

namespace crisp::oci {
namespace {

constexpr const char* kAttribute = "security.selinux";

// By identity, because a bind mount or a mapped copy gives them other names.
std::vector<std::pair<dev_t, ino_t>> SystemsOwn() {
  static constexpr std::array<const char*, 32> kSystem = {
      "/",           "/bin",     "/boot",    "/dev",     "/etc",       "/etc/passwd", "/etc/pki",
      "/etc/shadow", "/etc/ssl", "/home",    "/lib",     "/lib64",     "/media",      "/mnt",
      "/opt",        "/proc",    "/root",    "/run",     "/sbin",      "/srv",        "/sys",
      "/tmp",        "/usr",     "/usr/bin", "/usr/lib", "/usr/local", "/usr/sbin",   "/usr/share",
      "/var",        "/var/lib", "/var/log", "/var/tmp"};
  std::vector<std::pair<dev_t, ino_t>> out;
  for (const char* path : kSystem) {
    struct stat st {};
    if (::stat(path, &st) == 0) out.emplace_back(st.st_dev, st.st_ino);
  }
  return out;
}

bool IsKernelFilesystem(int fd) {
  struct statfs st {};
  if (::fstatfs(fd, &st) != 0) return false;
  for (const long type : {long{PROC_SUPER_MAGIC}, long{SYSFS_MAGIC}, long{CGROUP_SUPER_MAGIC},
                          long{CGROUP2_SUPER_MAGIC}, long{DEVPTS_SUPER_MAGIC}}) {
    if (st.f_type == type) return true;
  }
  return false;
}

// What keeps its label wherever it is met: as the volume itself or mounted somewhere below it.
class LeftAlone {
 public:
  // `fd`: of the file, O_PATH is enough.
  bool Contains(int fd, const struct stat& st) {
    if (IsOfTheSystem(st)) return true;
    const auto known = kernels_.find(st.st_dev);
    if (known != kernels_.end()) return known->second;
    return kernels_[st.st_dev] = IsKernelFilesystem(fd);
  }
  bool Contains(int dir, const std::string& name, const struct stat& st) {
    if (IsOfTheSystem(st)) return true;
    const auto known = kernels_.find(st.st_dev);
    if (known != kernels_.end()) return known->second;
    const auto opened = OpenAt(dir, name, O_PATH | O_NOFOLLOW);
    return opened.ok() && Contains(opened->get(), st);
  }

 private:
  bool IsOfTheSystem(const struct stat& st) const {
    return std::find(system_.begin(), system_.end(), std::pair(st.st_dev, st.st_ino)) !=
           system_.end();
  }

  const std::vector<std::pair<dev_t, ino_t>> system_ = SystemsOwn();
  std::map<dev_t, bool> kernels_;  // whether a file system is the kernel's
};

// File systems without labels say ENOTSUP; a file may be gone by now.
bool IsNothingToDo(int error) { return error == ENOTSUP || error == ENOENT; }

// Or can have none.
bool HasLabel(const LabelAccess& access, const std::string& name, bool follow,
              const std::string& label) {
  std::array<char, 4096> now{};
  const ssize_t size = access.Get(name, follow, now.data(), now.size());
  if (size < 0) return IsNothingToDo(errno);
  std::string_view text(now.data(), static_cast<size_t>(size));
  while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  return text == label;
}

Status SetLabel(const LabelAccess& access, const std::string& name, bool follow,
                const std::string& label) {
  if (HasLabel(access, name, follow, label)) return OkStatus();
  if (access.Set(name, follow, label) == 0 || IsNothingToDo(errno)) return OkStatus();
  return Errno("set label ", label);
}

std::string PathOf(int fd) {
  std::array<char, PATH_MAX> path{};
  const ssize_t size = ::readlink(Cat("/proc/self/fd/", fd).c_str(), path.data(), path.size() - 1);
  return size < 0 ? std::string("?") : std::string(path.data(), static_cast<size_t>(size));
}

}  // namespace

ssize_t LabelAccess::Get(const std::string& path, bool follow, char* buffer, size_t size) const {
  return follow ? ::getxattr(path.c_str(), kAttribute, buffer, size)
                : ::lgetxattr(path.c_str(), kAttribute, buffer, size);
}

int LabelAccess::Set(const std::string& path, bool follow, const std::string& label) const {
  return follow ? ::setxattr(path.c_str(), kAttribute, label.c_str(), label.size() + 1, 0)
                : ::lsetxattr(path.c_str(), kAttribute, label.c_str(), label.size() + 1, 0);
}

Status RelabelTree(const std::string& path, const std::string& label, const LabelAccess& access) {
  // By descriptor: below `path` a container may be writing, and a name that is looked up twice may
  // have become a link to the host's files.
  const UniqueFd top = CRISP_TRY(OpenFile(path, O_PATH | O_NOFOLLOW).Wrap("relabel"));
  struct stat st {};
  if (::fstat(top.get(), &st) != 0) return Errno("stat ", path);
  LeftAlone left_alone;
  if (S_ISLNK(st.st_mode) || left_alone.Contains(top.get(), st)) return OkStatus();
  CRISP_RETURN_IF_ERROR(SetLabel(access, Cat("/proc/self/fd/", top.get()), /*follow=*/true, label)
                            .Wrap("relabel ", path));
  if (!S_ISDIR(st.st_mode)) return OkStatus();
  UniqueFd directory =
      CRISP_TRY(OpenAt(top.get(), ".", O_RDONLY | O_DIRECTORY).Wrap("relabel ", path));
  const auto visit = [&](int dir, const std::string& name, const struct stat& at) {
    if (left_alone.Contains(dir, name, at)) return OkStatus();
    return SetLabel(access, Cat("/proc/self/fd/", dir, "/", name), /*follow=*/false, label)
        .Wrap("relabel ", JoinPath(PathOf(dir), name));
  };
  const auto enter = [&](int fd, const struct stat& at) { return !left_alone.Contains(fd, at); };
  return WalkTree(DirFd(std::move(directory)), visit, enter);
}

Status LabelStore(const std::string& directory, const std::string& label,
                  const LabelAccess& access) {
  if (HasLabel(access, directory, /*follow=*/false, label)) return OkStatus();
  const DirFd store = CRISP_TRY(DirFd::Open(directory).Wrap("relabel"));
  for (const std::string& name : CRISP_TRY(store.List())) {
    CRISP_RETURN_IF_ERROR(RelabelTree(JoinPath(directory, name), label, access));
  }
  return SetLabel(access, directory, /*follow=*/false, label).Wrap("relabel ", directory);
}

}  // namespace crisp::oci
