#include "pod/image_volumes.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/core/dir_fd.h"

namespace crisp::pod {
namespace {

// As the view itself is mounted: an OCI runtime that mounts it read-only sets all flags anew.
constexpr const char* kOptions[] = {"nosuid", "nodev", "noexec"};

std::string ViewPath(const ContainerPaths& paths, const std::string& image_id) {
  return Cat(paths.mounts(), "/image-", image_id.substr(image_id.find(':') + 1));
}

Status CheckImageVolume(const v1::Mount& mount) {
  if (!mount.host_path().empty()) {
    return InvalidArgument("has an image and the host_path '", mount.host_path(),
                           "'; one of them is allowed");
  }
  if (mount.propagation() != v1::PROPAGATION_PRIVATE) {
    return InvalidArgument("propagation ", v1::MountPropagation_Name(mount.propagation()),
                           "; allowed: PROPAGATION_PRIVATE");
  }
  const std::string& path = mount.image_sub_path();
  const std::string bounded = Cat('/', path, '/');
  if (path.starts_with('/') || bounded.find("/../") != std::string::npos) {
    return InvalidArgument("image_sub_path '", path, "'; allowed: a relative path without '..'");
  }
  return OkStatus();
}

// Empty when it cannot be read.
std::string PathOf(int fd) {
  std::error_code error;
  const auto path = std::filesystem::read_symlink(Cat("/proc/self/fd/", fd), error);
  return error ? std::string() : path.string();
}

// Symlinks lead to places in the image, as they do for its own processes. Nobody can change the
// view, so that the path stays what it is.
Result<std::string> ResolveSubPath(const std::string& view, const std::string& sub_path) {
  if (sub_path.empty()) return view;
  const DirFd root = CRISP_TRY(DirFd::Open(view));
  auto found = root.OpenInRoot(sub_path, O_PATH);
  if (!found.ok()) {
    if (found.status().code() != Code::kNotFound) {
      return std::move(found).status().Wrap("image_sub_path");
    }
    return NotFound("image_sub_path '", sub_path, "': the image has no such file or directory");
  }
  struct stat st {};
  if (::fstat(found->get(), &st) != 0) return Errno("stat ", sub_path);
  if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
    return InvalidArgument("image_sub_path '", sub_path, "' is neither a directory nor a file");
  }
  // Both as the kernel says them: the configured path may go through links.
  const std::string top = PathOf(root.get());
  const std::string path = PathOf(found->get());
  if (top.empty() || (path != top && !path.starts_with(top + "/"))) {
    return Internal("image_sub_path '", sub_path, "' leads to ", path);
  }
  return view + path.substr(top.size());
}

}  // namespace

bool IsImageVolume(const v1::Mount& mount) { return !mount.image().image().empty(); }

Result<std::vector<std::string>> FindImageVolumes(const image::ImageService& images,
                                                  const v1::ContainerConfig& config) {
  std::vector<std::string> out;
  for (const v1::Mount& mount : config.mounts()) {
    if (!IsImageVolume(mount)) {
      if (mount.image_sub_path().empty()) continue;
      return InvalidArgument("mount ", mount.container_path(), ": image_sub_path without image");
    }
    CRISP_RETURN_IF_ERROR(CheckImageVolume(mount).Wrap("mount ", mount.container_path()));
    const image::ImagePtr image =
        CRISP_TRY(images.Find(mount.image().image()).Wrap("mount ", mount.container_path()));
    if (!image) {
      return NotFound("mount ", mount.container_path(), ": image ", mount.image().image(),
                      " is not on this node; pull it first");
    }
    out.push_back(image->id);
  }
  return out;
}

Result<std::vector<image::LeasePtr>> AcquireImageVolumes(image::ImageService& images,
                                                         const Container& container) {
  std::vector<std::string> ids =
      container.View([](const ContainerRow& row) { return row.image_volume_ids; });
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::vector<image::LeasePtr> out;
  for (const std::string& id : ids) {
    out.push_back(CRISP_TRY(images.Acquire(id).Wrap("image volume ", id)));
  }
  return out;
}

Status MountImageVolumes(image::ImageService& images, const Container& container,
                         const std::vector<image::LeasePtr>& leases,
                         const image::MountOptions& options) {
  if (leases.empty()) return OkStatus();
  CRISP_RETURN_IF_ERROR(EnsureDirectory(container.paths().mounts(), 0700));
  for (const image::LeasePtr& lease : leases) {
    const std::string view = ViewPath(container.paths(), lease->image()->id);
    CRISP_RETURN_IF_ERROR(EnsureDirectory(view, 0700));
    CRISP_RETURN_IF_ERROR(
        images.MountImage(*lease, view, options).Wrap("image ", lease->image()->id));
  }
  return OkStatus();
}

Status FillImageVolumes(const Container& container, std::vector<oci::RequestedMount>* mounts) {
  const std::vector<std::string> ids =
      container.View([](const ContainerRow& row) { return row.image_volume_ids; });
  size_t volume = 0;
  for (int i = 0; i < container.config().mounts_size(); ++i) {
    const v1::Mount& mount = container.config().mounts(i);
    if (!IsImageVolume(mount)) continue;
    if (volume == ids.size()) return Internal("an image volume without an image id");
    oci::RequestedMount& out = (*mounts)[static_cast<size_t>(i)];
    out.host_path =
        CRISP_TRY(ResolveSubPath(ViewPath(container.paths(), ids[volume++]), mount.image_sub_path())
                      .Wrap("mount ", mount.container_path()));
    out.readonly = true;
    out.selinux_relabel = false;  // shared by everybody, and read-only
    for (const char* option : kOptions) {
      if (std::find(out.mount_options.begin(), out.mount_options.end(), option) ==
          out.mount_options.end()) {
        out.mount_options.emplace_back(option);
      }
    }
  }
  return OkStatus();
}

}  // namespace crisp::pod
