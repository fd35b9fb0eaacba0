// Copies the image's content of a VOLUME to a directory of the container's own (cri-contract 8.2).
#ifndef CRISP_POD_VOLUME_COPY_H_
#define CRISP_POD_VOLUME_COPY_H_

#include <string>

#include "base/core/dir_fd.h"
#include "base/core/result.h"

namespace crisp::pod {

// `path` is resolved inside `rootfs` (symlinks cannot lead outside). Makes `target` with the mode
// and owner of the source directory and copies regular files, directories and symlinks below it
// with their owners, modes and times; a path that the image lacks gives an empty directory.
// Devices, fifos and sockets are left out. After a failure `target` holds a part.
Status CopyVolumeContent(const DirFd& rootfs, const std::string& path, const std::string& target);

}  // namespace crisp::pod

#endif  // CRISP_POD_VOLUME_COPY_H_
