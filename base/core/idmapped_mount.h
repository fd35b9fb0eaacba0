// Idmapped mounts: the same files under other owners, without changing them.
//
// What:     a detached copy of a mount whose ids are seen through the mapping of a user namespace:
//           what is uid 0 on disk is the namespace's root, and what that root makes is 0 on disk.
// Contract: mount_setattr(2), MOUNT_ATTR_IDMAP (Linux 5.12; which file systems can, grows with each
//           release: ext4 and FAT 5.12, xfs 5.12, btrfs 5.15, overlayfs' layers 5.19, tmpfs 6.3).
// Threads:  any.
// Errors:   kFailedPrecondition: the file system (it is named) or the kernel cannot do it.
// A detached mount goes away with its descriptor.
#ifndef CRISP_BASE_CORE_IDMAPPED_MOUNT_H_
#define CRISP_BASE_CORE_IDMAPPED_MOUNT_H_

#include <cstdint>
#include <string>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp {

// A detached copy of the mount at `path`, with the mounts below it when `recursive`. It stays a
// peer of shared mounts.
Result<UniqueFd> CloneMount(const std::string& path, bool recursive);
// Maps the ids of a detached copy that nobody uses yet; `path` is for messages. With `recursive`
// either all mounts of the copy are mapped or none.
Status MapMountIds(int mount, int user_namespace, bool recursive, const std::string& path);
// Cuts a detached copy and all below it off from what it was copied from: MS_PRIVATE, or MS_SLAVE,
// which still gets what is mounted there. To be done before it is attached: unmounting a peer with
// MNT_DETACH unmounts what is below the original, too (mount_namespaces(7)).
Status SetPropagation(int mount, uint64_t propagation, const std::string& path);
// CloneMount without what is mounted below, and MapMountIds.
Result<UniqueFd> CloneIdmapped(const std::string& path, int user_namespace);
// Puts a detached mount on `target`, a directory or file as the mount's root is.
Status AttachMount(int mount, const std::string& target);
// "ext4", "tmpfs", ... or its number in hex.
std::string FileSystemName(const std::string& path);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_IDMAPPED_MOUNT_H_
