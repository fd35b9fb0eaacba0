#include "pod/registry.h"

#include <mutex>

namespace crisp::pod {
namespace {

Status NameTaken(std::string_view kind, const std::string& name, const std::string& owner) {
  return AlreadyExists("failed to reserve ", kind, " name \"", name, "\": name \"", name,
                       "\" is reserved for \"", owner, "\"");
}

// The name alone does not tell pod "a_b" of namespace "c" from pod "a" of "b_c".
std::string UniqueName(const v1::PodSandboxMetadata& m) {
  return Cat(m.name().size(), '_', m.namespace_().size(), '_', SandboxName(m));
}

bool IsVisible(const SandboxPtr& sandbox) { return sandbox->state() != SandboxState::kCreating; }
bool IsVisible(const ContainerPtr& container) {
  return container->state() != ContainerState::kCreating;
}

template <typename Map>
auto Visible(const Map& map) {
  std::vector<typename Map::mapped_type> out;
  out.reserve(map.size());
  for (const auto& [id, object] : map) {
    if (IsVisible(object)) out.push_back(object);
  }
  return out;
}

}  // namespace

std::string SandboxName(const v1::PodSandboxMetadata& m) {
  return Cat(m.name(), '_', m.namespace_(), '_', m.uid(), '_', m.attempt());
}

std::string ContainerName(const v1::ContainerMetadata& m, const SandboxId& sandbox) {
  return Cat(m.name(), '_', sandbox.str(), '_', m.attempt());
}

Status Registry::Add(const SandboxPtr& sandbox) {
  const std::string name = SandboxName(sandbox->config().metadata());
  std::unique_lock lock(mutex_);
  const auto [it, added] =
      sandbox_names_.emplace(UniqueName(sandbox->config().metadata()), sandbox->id().str());
  if (!added) return NameTaken("sandbox", name, it->second);
  sandboxes_[sandbox->id().str()] = sandbox;
  return OkStatus();
}

Status Registry::Add(const ContainerPtr& container) {
  const std::string name =
      ContainerName(container->config().metadata(), container->sandbox()->id());
  std::unique_lock lock(mutex_);
  const auto [it, added] = container_names_.emplace(name, container->id().str());
  if (!added) return NameTaken("container", name, it->second);
  containers_[container->id().str()] = container;
  return OkStatus();
}

void Registry::Remove(const SandboxPtr& sandbox) {
  std::unique_lock lock(mutex_);
  if (sandboxes_.erase(sandbox->id().str()) != 0) {
    sandbox_names_.erase(UniqueName(sandbox->config().metadata()));
  }
}

void Registry::Remove(const ContainerPtr& container) {
  std::unique_lock lock(mutex_);
  if (containers_.erase(container->id().str()) != 0) {
    container_names_.erase(
        ContainerName(container->config().metadata(), container->sandbox()->id()));
  }
}

template <typename Map>
auto Registry::Lookup(const Map& map, const std::string& id_or_prefix, std::string_view kind)
    -> Result<typename Map::mapped_type> {
  if (id_or_prefix.empty()) return InvalidArgument(kind, " id is empty");
  typename Map::mapped_type found;
  for (auto it = map.lower_bound(id_or_prefix);
       it != map.end() && it->first.starts_with(id_or_prefix); ++it) {
    if (!IsVisible(it->second)) continue;
    if (it->first == id_or_prefix) return it->second;
    if (found) {
      return InvalidArgument(kind, " id prefix ", id_or_prefix,
                             " is ambiguous: give more characters");
    }
    found = it->second;
  }
  if (!found) return NotFound(kind, " ", id_or_prefix, " does not exist");
  return found;
}

Result<SandboxPtr> Registry::GetSandbox(const std::string& id_or_prefix) const {
  std::shared_lock lock(mutex_);
  return Lookup(sandboxes_, id_or_prefix, "sandbox");
}

Result<ContainerPtr> Registry::GetContainer(const std::string& id_or_prefix) const {
  std::shared_lock lock(mutex_);
  return Lookup(containers_, id_or_prefix, "container");
}

std::vector<SandboxPtr> Registry::Sandboxes() const {
  std::shared_lock lock(mutex_);
  return Visible(sandboxes_);
}

std::vector<ContainerPtr> Registry::Containers() const {
  std::shared_lock lock(mutex_);
  return Visible(containers_);
}

std::vector<ContainerPtr> Registry::ContainersOf(const SandboxId& sandbox) const {
  std::shared_lock lock(mutex_);
  std::vector<ContainerPtr> out;
  for (const auto& [id, container] : containers_) {
    if (container->sandbox()->id() == sandbox) out.push_back(container);
  }
  return out;
}

}  // namespace crisp::pod
