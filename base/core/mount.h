// Mounts: the thin calls that crisp needs, and ScopedMount, the owner of one mount.
//
// Contract: mount(2), umount2(2), mount_setattr(2). Unmounting is by path without following a
//           final symlink; "not mounted" and "no such path" count as done, so that undo is
//           idempotent.
// Errors:   name both ends.
#ifndef CRISP_BASE_CORE_MOUNT_H_
#define CRISP_BASE_CORE_MOUNT_H_

#include <string>

#include "base/core/result.h"

namespace crisp {

// mount(2) with `flags` MS_*; data may be empty.
Status Mount(const std::string& source, const std::string& target, const std::string& type,
             unsigned long flags, const std::string& data);
// MS_BIND (with MS_REC when recursive), then MS_PRIVATE on the target, so that it does not
// propagate back to the source's peers.
Status BindMount(const std::string& source, const std::string& target, bool recursive = false);
// Unmounts everything that is stacked on `target`; lazy (MNT_DETACH) when asked for.
Status EnsureUnmounted(const std::string& target, bool detach = false);
// True when `path` is the root of a mount.
Result<bool> IsMountPoint(const std::string& path);

// Unmounts (lazily) at destruction unless Release()d.
class ScopedMount {
 public:
  ScopedMount() = default;
  explicit ScopedMount(std::string target) : target_(std::move(target)) {}
  ScopedMount(const ScopedMount&) = delete;
  ScopedMount& operator=(const ScopedMount&) = delete;
  ScopedMount(ScopedMount&& other) noexcept : target_(std::exchange(other.target_, {})) {}
  ScopedMount& operator=(ScopedMount&& other) noexcept;
  ~ScopedMount();

  const std::string& target() const { return target_; }
  // The mount stays; its path is now the caller's to unmount.
  std::string Release() { return std::exchange(target_, {}); }
  Status Unmount();

 private:
  std::string target_;
};

}  // namespace crisp

#endif  // CRISP_BASE_CORE_MOUNT_H_
