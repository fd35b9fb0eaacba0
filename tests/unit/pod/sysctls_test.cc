#include "pod/sysctls.h"

#include <gtest/gtest.h>

namespace crisp::pod {
namespace {

namespace v1 = ::runtime::v1;
const std::map<std::string, std::string> kDefaults = {{"net.ipv4.ip_unprivileged_port_start", "0"}};

v1::PodSandboxConfig Config(const std::string& name, v1::NamespaceMode network,
                            v1::NamespaceMode ipc) {
  v1::PodSandboxConfig config;
  if (!name.empty()) (*config.mutable_linux()->mutable_sysctls())[name] = "1";
  auto& options = *config.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  options.set_network(network);
  options.set_ipc(ipc);
  return config;
}

TEST(PodSysctls, TheRequestWinsOverDefaults) {
  const auto both =
      PodSysctls(Config("net.ipv4.ip_unprivileged_port_start", v1::POD, v1::POD), kDefaults);
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->at("net.ipv4.ip_unprivileged_port_start"), "1");
  EXPECT_EQ(PodSysctls(Config("", v1::POD, v1::POD), kDefaults)->size(), 1u);
}

TEST(PodSysctls, DefaultsOfHostNamespacesAreLeftOut) {
  EXPECT_TRUE(PodSysctls(Config("", v1::NODE, v1::POD), kDefaults)->empty());
}

TEST(PodSysctls, AcceptsNamespacedOnesInBothSpellings) {
  for (const char* name : {"kernel.shm_rmid_forced", "fs.mqueue.msg_max", "kernel.msgmax",
                           "kernel.sem", "net.core.somaxconn", "net/core/somaxconn"}) {
    EXPECT_TRUE(PodSysctls(Config(name, v1::POD, v1::POD), {}).ok()) << name;
  }
}

TEST(PodSysctls, RefusesHostSysctlsAndHostNamespaces) {
  for (const char* name :
       {"kernel.panic", "vm.swappiness", "fs.file-max", "net..ipv4", "net/../kernel/panic", ""}) {
    v1::PodSandboxConfig config = Config("", v1::POD, v1::POD);
    (*config.mutable_linux()->mutable_sysctls())[name] = "1";
    EXPECT_EQ(PodSysctls(config, {}).status().code(), Code::kInvalidArgument) << name;
  }
  for (const char* value : {"1\n2", "1\x01"}) {
    v1::PodSandboxConfig config;
    (*config.mutable_linux()->mutable_sysctls())["net.core.somaxconn"] = value;
    EXPECT_EQ(PodSysctls(config, {}).status().code(), Code::kInvalidArgument) << value;
  }
  EXPECT_FALSE(PodSysctls(Config("net.core.somaxconn", v1::NODE, v1::POD), {}).ok());
  EXPECT_FALSE(PodSysctls(Config("kernel.sem", v1::POD, v1::NODE), {}).ok());
}

}  // namespace
}  // namespace crisp::pod
