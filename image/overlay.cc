#include "image/overlay.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <functional>

#include "base/core/file.h"
#include "base/core/own_thread.h"

namespace crisp::image {
namespace {

// What makes an upper directory more than a plain layer is off, whatever the module's defaults are:
// a layer must mean the same on every kernel.
constexpr const char* kPlainFeatures[] = {"index", "redirect_dir", "metacopy"};

constexpr size_t kMountOptionBytes = 4095;  // mount(2): one page

// The kernel's own explanation, if the context has one.
std::string ContextLog(int context) {
  char buffer[512];
  const ssize_t n = ::read(context, buffer, sizeof(buffer) - 1);
  if (n <= 2) return {};
  return Cat(" (", Trim(std::string_view(buffer + 2, static_cast<size_t>(n) - 2)), ")");
}

Status SetOption(int context, const char* key, const std::string& value) {
  if (::fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0) return OkStatus();
  const int error = errno;
  return ErrnoStatus(error, Cat("overlay option ", key, "=", value, ContextLog(context)));
}

// A descriptor's path is short whatever the length of the real one.
std::string FdPath(const UniqueFd& fd) { return Cat("/proc/self/fd/", fd.get()); }

// fsconfig(2) takes strings of at most 255 bytes.
Result<std::string> ShortPath(const std::string& path, std::vector<UniqueFd>* held) {
  if (path.size() <= 255) return path;
  held->push_back(CRISP_TRY(OpenFile(path, O_PATH | O_DIRECTORY)));
  return FdPath(held->back());
}

// Before Linux 6.5 overlay has only the compatibility layer of fsconfig(2), which takes every key
// and hands it to the old parser at the end. A kernel with the new one refuses unknown keys at
// once.
bool ChecksKeysAtOnce() {
  UniqueFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  return context && ::fsconfig(context.get(), FSCONFIG_SET_STRING, "no_such_key", "x", 0) != 0;
}

Status AddLower(int context, const std::string& path, bool first, std::vector<UniqueFd>* held) {
  const std::string value = CRISP_TRY(ShortPath(path, held));
  if (::fsconfig(context, FSCONFIG_SET_STRING, "lowerdir+", value.c_str(), 0) == 0) {
    return OkStatus();
  }
  const int error = errno;
  if (first && error == EINVAL && PathExists(path)) {
    return Unimplemented("overlay: this kernel has no lowerdir+");
  }
  return ErrnoStatus(error, Cat("overlay option lowerdir+=", path, ContextLog(context)));
}

// Runs `work` on a thread whose working directory may change.
Status WithOwnDirectory(const std::string& directory, const std::function<Status()>& work) {
  return RunOnOwnThread([&]() -> Status {
    if (::unshare(CLONE_FS) != 0) return Errno("unshare the working directory");
    if (::chdir(directory.c_str()) != 0) return Errno("change to ", directory);
    return work();
  });
}

std::string JoinLower(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ":") + name;
  return out;
}

}  // namespace

Result<UniqueFd> MakeDetachedOverlay(const OverlayOptions& options) {
  static const bool checks_keys = ChecksKeysAtOnce();
  if (!checks_keys) return Unimplemented("overlay: this kernel has no lowerdir+");
  UniqueFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context) return Errno("fsopen overlay");
  std::vector<UniqueFd> held;
  bool first = true;
  for (const std::string& name : options.lower) {
    CRISP_RETURN_IF_ERROR(AddLower(context.get(), JoinPath(options.lower_root, name),
                                   std::exchange(first, false), &held));
  }
  for (const char* feature : kPlainFeatures) {
    CRISP_RETURN_IF_ERROR(SetOption(context.get(), feature, "off"));
  }
  if (!options.upper.empty()) {
    CRISP_RETURN_IF_ERROR(
        SetOption(context.get(), "upperdir", CRISP_TRY(ShortPath(options.upper, &held))));
    CRISP_RETURN_IF_ERROR(
        SetOption(context.get(), "workdir", CRISP_TRY(ShortPath(options.work, &held))));
    if (options.volatile_upper &&
        ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) != 0) {
      return Errno("overlay option volatile");
    }
  }
  if (!options.label.empty()) {
    CRISP_RETURN_IF_ERROR(SetOption(context.get(), "context", options.label));
  }
  // What `mount` and /proc/self/mountinfo show as the device.
  (void)::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", "overlay", 0);
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    const int error = errno;
    return ErrnoStatus(error, Cat("create overlay", ContextLog(context.get())));
  }
  UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (!mount) return Errno("fsmount overlay");
  return mount;
}

Status MountOverlayByOptions(const OverlayOptions& options, const std::string& target) {
  std::string rest = ",index=off,redirect_dir=off,metacopy=off";
  if (!options.upper.empty()) rest += Cat(",upperdir=", options.upper, ",workdir=", options.work);
  if (options.volatile_upper) rest += ",volatile";
  if (!options.label.empty()) rest += Cat(",context=\"", options.label, '"');  // it has commas
  std::string lower = JoinLower(options.lower);
  std::vector<UniqueFd> held;
  if (lower.size() + rest.size() + 9 > kMountOptionBytes) {
    std::vector<std::string> names;
    for (const std::string& name : options.lower) {
      held.push_back(CRISP_TRY(OpenFile(JoinPath(options.lower_root, name), O_PATH | O_DIRECTORY)));
      names.push_back(FdPath(held.back()));
    }
    lower = JoinLower(names);
  }
  const std::string data = Cat("lowerdir=", lower, rest);
  if (data.size() > kMountOptionBytes) {
    return FailedPrecondition("mount overlay on ", target, ": ", options.lower.size(),
                              " layers are more than this kernel's mount(2) can take");
  }
  CRISP_RETURN_IF_ERROR(WithOwnDirectory(options.lower_root, [&]() -> Status {
    if (::mount("overlay", target.c_str(), "overlay", 0, data.c_str()) == 0) return OkStatus();
    return Errno("mount overlay on ", target);
  }));
  if (::mount("", target.c_str(), nullptr, MS_PRIVATE, nullptr) != 0) {
    Status status = Errno("make ", target, " private");
    ::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    return status;
  }
  return OkStatus();
}

Status MountOverlay(const OverlayOptions& options, const std::string& target) {
  if (options.user_namespace >= 0) return MountIdmappedOverlay(options, target);
  auto detached = MakeDetachedOverlay(options);
  if (!detached.ok() && (detached.status().code() == Code::kUnimplemented ||
                         detached.status().sys_errno() == ENOSYS)) {
    return MountOverlayByOptions(options, target);
  }
  const UniqueFd mount = CRISP_TRY(std::move(detached).Wrap("mount overlay on ", target));
  if (::move_mount(mount.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return Errno("mount overlay on ", target);
  }
  if (::mount("", target.c_str(), nullptr, MS_PRIVATE, nullptr) != 0) {
    Status status = Errno("make ", target, " private");
    ::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    return status;
  }
  return OkStatus();
}

}  // namespace crisp::image
