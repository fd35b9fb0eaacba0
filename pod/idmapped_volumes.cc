#include "pod/idmapped_volumes.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include "base/core/dir_fd.h"
#include "base/core/idmapped_mount.h"
#include "base/core/mount.h"
#include "base/log.h"
#include "oci/spec_builder.h"

namespace crisp::pod {
namespace {

Status MakeMountPoint(const std::string& source, const std::string& target) {
  struct stat st {};
  if (::stat(source.c_str(), &st) != 0) return Errno("stat ", source);
  if (S_ISDIR(st.st_mode)) return EnsureDirectory(target, 0700);
  return OpenFile(target, O_RDONLY | O_CREAT, 0600).status();
}

// The tree at `source`, or only its top mapped where something below cannot be.
Result<UniqueFd> CloneMapped(const std::string& source, int user_namespace) {
  UniqueFd mount = CRISP_TRY(CloneMount(source, /*recursive=*/true));
  const Status all = MapMountIds(mount.get(), user_namespace, /*recursive=*/true, source);
  if (all.ok()) return mount;
  if (all.code() != Code::kFailedPrecondition) return all;
  CRISP_RETURN_IF_ERROR(MapMountIds(mount.get(), user_namespace, /*recursive=*/false, source));
  log::Warning("mounts below a volume keep their ids", {{"volume", source}});
  return mount;
}

Status MakeOne(const v1::Mount& mount, int user_namespace, const std::string& target) {
  const std::string source = CRISP_TRY(oci::ResolveMountSource(mount.host_path()));
  CRISP_RETURN_IF_ERROR(MakeMountPoint(source, target));
  const UniqueFd copy = CRISP_TRY(CloneMapped(source, user_namespace));
  // A slave hands on what is mounted at the source, also once this copy is gone.
  const unsigned long propagation =
      mount.propagation() == v1::PROPAGATION_PRIVATE ? MS_PRIVATE : MS_SLAVE;
  CRISP_RETURN_IF_ERROR(SetPropagation(copy.get(), propagation, source));
  CRISP_RETURN_IF_ERROR(AttachMount(copy.get(), target));
  // Below a shared mount it has become shared again, with peers of its own.
  if (::mount("", target.c_str(), nullptr, propagation | MS_REC, nullptr) != 0) {
    return Errno("set the propagation of ", target);
  }
  return OkStatus();
}

}  // namespace

bool IsIdmapped(const v1::Mount& mount) {
  return mount.uidmappings_size() != 0 && mount.image().image().empty();
}

std::string IdmappedPath(const ContainerPaths& paths, int index) {
  return Cat(paths.mounts(), '/', index);
}

Status MakeIdmappedVolumes(const Container& container) {
  UniqueFd user_namespace;
  for (int i = 0; i < container.config().mounts_size(); ++i) {
    const v1::Mount& mount = container.config().mounts(i);
    if (!IsIdmapped(mount)) continue;
    if (!user_namespace) {
      CRISP_RETURN_IF_ERROR(EnsureDirectory(container.paths().mounts(), 0700));
      user_namespace = CRISP_TRY(OpenFile(container.sandbox()->paths().user(), O_RDONLY));
    }
    CRISP_RETURN_IF_ERROR(MakeOne(mount, user_namespace.get(), IdmappedPath(container.paths(), i))
                              .Wrap("mount ", mount.container_path()));
  }
  return OkStatus();
}

Status EnsureIdmappedVolumesGone(const ContainerPaths& paths) {
  auto dir = DirFd::Open(paths.mounts());
  if (!dir.ok()) {
    return dir.status().code() == Code::kNotFound ? OkStatus() : std::move(dir).status();
  }
  for (const std::string& name : CRISP_TRY(dir->List())) {
    CRISP_RETURN_IF_ERROR(EnsureUnmounted(JoinPath(paths.mounts(), name), /*detach=*/true));
  }
  return RemoveTreeAt(paths.mounts());
}

}  // namespace crisp::pod
