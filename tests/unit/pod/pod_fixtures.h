// Small sandboxes and containers for unit tests, without a daemon.
#ifndef CRISP_TESTS_UNIT_POD_POD_FIXTURES_H_
#define CRISP_TESTS_UNIT_POD_POD_FIXTURES_H_

#include <memory>
#include <string>

#include "pod/container.h"
#include "pod/sandbox.h"

namespace crisp::pod {

inline SandboxRow MakeSandboxRow(const std::string& name, const std::string& id) {
  SandboxRow row;
  row.id = SandboxId(id);
  row.state = SandboxState::kReady;
  row.created_at_ns = 7;
  v1::PodSandboxMetadata& metadata = *row.config.mutable_metadata();
  metadata.set_name(name);
  metadata.set_namespace_("default");
  metadata.set_uid("uid-" + name);
  return row;
}

inline SandboxPtr MakeSandbox(SandboxRow row) {
  return std::make_shared<Sandbox>(std::move(row), nullptr,
                                   Roots{"/nowhere/root", "/nowhere/state"}, nullptr);
}

inline ContainerRow MakeContainerRow(const std::string& name, const std::string& id) {
  ContainerRow row;
  row.id = ContainerId(id);
  row.state = ContainerState::kRunning;
  row.created_at_ns = 8;
  row.config.mutable_metadata()->set_name(name);
  row.config.mutable_image()->set_image("busybox");
  return row;
}

inline ContainerPtr MakeContainer(ContainerRow row, const SandboxPtr& sandbox) {
  row.sandbox = sandbox->id();
  return std::make_shared<Container>(std::move(row), sandbox,
                                     Roots{"/nowhere/root", "/nowhere/state"});
}

}  // namespace crisp::pod

#endif  // CRISP_TESTS_UNIT_POD_POD_FIXTURES_H_
