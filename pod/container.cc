#include "pod/container.h"

#include "pod/cgroups.h"

namespace crisp::pod {

std::string Container::LogPath() const {
  const std::string& directory = sandbox_->config().log_directory();
  if (directory.empty() || config().log_path().empty()) return {};
  return JoinPath(directory, config().log_path());
}

CgroupDir Container::Cgroup(const CgroupLayout* layout, const std::string& default_parent) const {
  const std::string& parent = sandbox_->config().linux().cgroup_parent();
  const auto driver =
      runtime() == nullptr ? oci::CgroupDriver::kCgroupfs : runtime()->options().cgroup_driver;
  auto paths = MakeCgroupPaths(parent.empty() ? default_parent : parent, id().str(), driver);
  // A container whose parent is not valid was refused before it had a cgroup: name what is nowhere.
  return CgroupDir(layout, paths.ok() ? paths->host : Cat("/crisp.invalid/", id().str()));
}

CgroupDir Container::LimitedCgroup(const CgroupLayout* layout,
                                   const std::string& default_parent) const {
  const CgroupDir all = Cgroup(layout, default_parent);
  if (runtime() == nullptr || runtime()->features().scope_group.empty()) return all;
  return CgroupDir(layout, JoinPath(all.path(), runtime()->features().scope_group));
}

}  // namespace crisp::pod
