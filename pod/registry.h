// Registry: every sandbox and container that exists, and the names that are taken.
//
// Contract: cri-contract section 2: ids are unique over both kinds; every lookup accepts an
//           unambiguous prefix; a name (metadata tuple) is taken from before the first side effect
//           until the object is gone.
// Threads:  any. One shared mutex, held for map operations only; it is the first in the lock order
//           (registry < state).
#ifndef CRISP_POD_REGISTRY_H_
#define CRISP_POD_REGISTRY_H_

#include <functional>
#include <map>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "pod/container.h"
#include "pod/sandbox.h"

namespace crisp::pod {

// "name_namespace_uid_attempt", for messages: clients may put '_' into the parts.
std::string SandboxName(const v1::PodSandboxMetadata& metadata);
// "container_sandboxname_attempt", unique per container.
std::string ContainerName(const v1::ContainerMetadata& metadata, const SandboxId& sandbox);

// What was not found is done already for Stop and Remove (cri-contract 5.2).
inline Status OkIfUnknown(const Status& status) {
  return status.code() == Code::kNotFound ? OkStatus() : status;
}

// And what failed although it was found must not say so: the kubelet would take it for done.
inline Status NotUnknown(Status status) {
  if (status.code() != Code::kNotFound) return status;
  return std::move(status).WithCode(Code::kInternal);
}

class Registry {
 public:
  // Takes the sandbox's name and adds it. kAlreadyExists, in the words that the kubelet knows
  // (cri-contract 5.1), when the name or id is taken.
  Status Add(const SandboxPtr& sandbox);
  Status Add(const ContainerPtr& container);
  // Frees the name too. Unknown is fine.
  void Remove(const SandboxPtr& sandbox);
  void Remove(const ContainerPtr& container);

  // By id or unambiguous prefix. kNotFound; kInvalidArgument when the prefix fits several or is
  // empty. Objects that are being created are not found.
  Result<SandboxPtr> GetSandbox(const std::string& id_or_prefix) const;
  Result<ContainerPtr> GetContainer(const std::string& id_or_prefix) const;

  // Snapshots without objects that are being created, in order of ids.
  std::vector<SandboxPtr> Sandboxes() const;
  std::vector<ContainerPtr> Containers() const;
  // All containers of a sandbox, those that are being created included.
  std::vector<ContainerPtr> ContainersOf(const SandboxId& sandbox) const;

 private:
  template <typename Map>
  static auto Lookup(const Map& map, const std::string& id_or_prefix, std::string_view kind)
      -> Result<typename Map::mapped_type>;

  mutable std::shared_mutex mutex_;
  std::map<std::string, SandboxPtr> sandboxes_;
  std::map<std::string, ContainerPtr> containers_;
  std::unordered_map<std::string, std::string> sandbox_names_;    // name -> id
  std::unordered_map<std::string, std::string> container_names_;  // name -> id
};

}  // namespace crisp::pod

#endif  // CRISP_POD_REGISTRY_H_
