#include "pod/cgroups.h"

#include "base/core/file.h"

namespace crisp::pod {
namespace {
constexpr std::string_view kSlice = ".slice";
constexpr std::string_view kScopePrefix = "crisp";

// systemd.slice(5): "/", or words joined by single dashes.
bool IsSliceName(std::string_view slice) {
  if (slice == "-.slice") return true;
  const std::string_view stem = slice.substr(0, slice.size() - kSlice.size());
  return !stem.empty() && Cat('-', stem, '-').find("--") == std::string::npos &&
         stem.find(':') == std::string_view::npos;
}

}  // namespace

std::string ExpandSlice(const std::string& slice) {
  if (slice == "-.slice") return "/";
  const std::string_view stem = std::string_view(slice).substr(0, slice.size() - kSlice.size());
  std::string path;
  for (size_t dash = stem.find('-'); dash != std::string_view::npos;
       dash = stem.find('-', dash + 1)) {
    path += Cat('/', stem.substr(0, dash), kSlice);
  }
  return Cat(path, '/', slice);
}

oci::CgroupDriver DriverOf(std::string_view parent) {
  return parent.ends_with(kSlice) ? oci::CgroupDriver::kSystemd : oci::CgroupDriver::kCgroupfs;
}

Result<CgroupPaths> MakeCgroupPaths(const std::string& parent, const std::string& id,
                                    oci::CgroupDriver driver) {
  if (parent.empty()) return InvalidArgument("cgroup parent is empty");
  for (std::string_view part : {"/../", "/./"}) {
    if (Cat('/', parent, '/').find(part) != std::string::npos) {
      return InvalidArgument("cgroup_parent '", parent, "' must not contain '.' or '..'");
    }
  }
  const bool is_slice = parent.ends_with(kSlice);
  if (driver == oci::CgroupDriver::kSystemd) {
    if (!is_slice) {
      return InvalidArgument("cgroup_parent '", parent,
                             "': the systemd cgroup driver wants a path that ends in .slice");
    }
    const std::string slice = parent.substr(parent.find_last_of('/') + 1);
    if (!IsSliceName(slice)) {
      return InvalidArgument("cgroup_parent '", parent, "': '", slice,
                             "' is not the name of a systemd slice, such as kubepods-pod1.slice");
    }
    return CgroupPaths{Cat(slice, ':', kScopePrefix, ':', id),
                       JoinPath(ExpandSlice(slice), Cat(kScopePrefix, '-', id, ".scope"))};
  }
  if (is_slice) {
    return InvalidArgument("cgroup_parent '", parent,
                           "' is a systemd slice, but the cgroup driver is cgroupfs");
  }
  const std::string path = JoinPath(parent.starts_with('/') ? parent : Cat('/', parent), id);
  return CgroupPaths{path, path};
}

}  // namespace crisp::pod
