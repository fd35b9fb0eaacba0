#include "pod/environment.h"

#include "pod/cgroups.h"

namespace crisp::pod {

CgroupDir Environment::CgroupOf(const Sandbox& sandbox, const std::string& id) const {
  const std::string& parent = CgroupParent(sandbox.config());
  const auto paths = MakeCgroupPaths(parent, id, DriverOf(parent));
  // With a parent that is not valid it was refused before it had a group: name what is nowhere.
  return CgroupDir(options.cgroup_layout, paths.ok() ? paths->host : Cat("/crisp.invalid/", id));
}

CgroupDir Environment::CgroupOf(const Container& container) const {
  return CgroupOf(*container.sandbox(), container.id().str());
}

CgroupDir Environment::LimitedCgroupOf(const Container& container) const {
  const CgroupDir all = CgroupOf(container);
  const oci::Runtime* runtime = container.runtime();
  const bool in_scope =
      DriverOf(CgroupParent(container.sandbox()->config())) == oci::CgroupDriver::kSystemd;
  if (!in_scope || runtime == nullptr || runtime->features().scope_group.empty()) return all;
  return CgroupDir(options.cgroup_layout, JoinPath(all.path(), runtime->features().scope_group));
}

}  // namespace crisp::pod
