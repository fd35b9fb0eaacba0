#include "pod/resource_classes.h"

#include <algorithm>

namespace crisp::pod {

namespace v1 = ::runtime::v1;

std::string AskedClass(const std::string& kind, const v1::PodSandboxConfig& pod,
                       const v1::ContainerConfig& container) {
  const auto value = [](const auto& annotations, const std::string& key) {
    const auto at = annotations.find(key);
    return at == annotations.end() ? std::string() : at->second;
  };
  const std::string prefix = Cat(kind, ".resources.beta.kubernetes.io/");
  std::string out = value(container.annotations(), Cat("io.kubernetes.cri.", kind, "-class"));
  if (out.empty()) {
    out = value(pod.annotations(), Cat(prefix, "container.", container.metadata().name()));
  }
  return out.empty() ? value(pod.annotations(), Cat(prefix, "pod")) : out;
}

Status FillClasses(const oci::BlockioClasses& blockio, const std::vector<std::string>& rdt,
                   const v1::PodSandboxConfig& pod, const v1::ContainerConfig& container,
                   oci::ContainerRequest* request) {
  if (const std::string name = AskedClass("blockio", pod, container); !name.empty()) {
    request->resources.block_io = CRISP_TRY(oci::ResolveBlockio(blockio, name).Wrap("annotations"));
  }
  const std::string name = AskedClass("rdt", pod, container);
  if (name.empty()) return OkStatus();
  if (std::find(rdt.begin(), rdt.end(), name) == rdt.end()) {
    std::string known;
    for (const std::string& other : rdt) known += Cat(known.empty() ? "" : ", ", other);
    return InvalidArgument("annotations: RDT class '", name, "' is not allowed; allowed: ",
                           known.empty() ? "none is configured (rdt_classes)" : known);
  }
  request->rdt_class = name;
  return OkStatus();
}

}  // namespace crisp::pod
