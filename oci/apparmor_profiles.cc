#include "oci/apparmor_profiles.h"

#include <algorithm>

#include "base/core/keyed_line.h"
#include "base/core/result.h"

namespace crisp::oci {

LoadedProfiles::LoadedProfiles(std::string_view list) {
  while (!list.empty()) {
    const std::string_view line = TakeUntil('\n', &list);
    const size_t mode = line.rfind(" (");
    if (mode == 0 || mode == std::string_view::npos || !line.ends_with(')')) continue;
    names_.emplace_back(line.substr(0, mode));
  }
}

bool LoadedProfiles::Contains(std::string_view name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

std::vector<std::string> LoadedProfiles::ChildrenOf(std::string_view parent) const {
  const std::string before = Cat(parent, "//");
  std::vector<std::string> out;
  for (const std::string& name : names_) {
    if (name.starts_with(before)) out.push_back(name);
  }
  return out;
}

}  // namespace crisp::oci
