// User namespaces in requests: what is refused, in which words (cri-contract 6.2).
#include "pod/userns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace crisp::pod {
namespace {

using testing::HasSubstr;

void Add(google::protobuf::RepeatedPtrField<v1::IDMapping>* mappings, uint32_t host,
         uint32_t container, uint32_t length) {
  v1::IDMapping* mapping = mappings->Add();
  mapping->set_host_id(host);
  mapping->set_container_id(container);
  mapping->set_length(length);
}

v1::UserNamespace* OptionsOf(v1::PodSandboxConfig* config) {
  return config->mutable_linux()
      ->mutable_security_context()
      ->mutable_namespace_options()
      ->mutable_userns_options();
}
v1::NamespaceOption* OptionsOf(v1::ContainerConfig* config) {
  return config->mutable_linux()->mutable_security_context()->mutable_namespace_options();
}

v1::PodSandboxConfig PodWith(uint32_t host, uint32_t length) {
  v1::PodSandboxConfig config;
  Add(OptionsOf(&config)->mutable_uids(), host, 0, length);
  Add(OptionsOf(&config)->mutable_gids(), host, 0, length);
  return config;
}

void ExpectRefused(const Status& status, const std::string& text) {
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr(text));
}

TEST(UserNamespace, PodsWithoutOne) {
  v1::PodSandboxConfig config;
  EXPECT_TRUE(CheckUserNamespace(config).ok());
  EXPECT_FALSE(HasUserNamespace(config));
  EXPECT_EQ(ContainerRoot(config).uid, 0u);
  OptionsOf(&config)->set_mode(v1::NODE);
  EXPECT_TRUE(CheckUserNamespace(config).ok());
  EXPECT_FALSE(HasUserNamespace(config));
}

TEST(UserNamespace, OneMappingFromZero) {
  v1::PodSandboxConfig config = PodWith(70000, 65536);
  config.mutable_linux()
      ->mutable_security_context()
      ->mutable_namespace_options()
      ->mutable_userns_options()
      ->mutable_gids(0)
      ->set_host_id(80000);
  EXPECT_TRUE(CheckUserNamespace(config).ok());
  EXPECT_TRUE(HasUserNamespace(config));
  EXPECT_EQ(ContainerRoot(config).uid, 70000u);
  EXPECT_EQ(ContainerRoot(config).gid, 80000u);
  const oci::RequestedUserNamespace wanted = UserNamespaceOf(config, "/pin");
  EXPECT_EQ(wanted.path, "/pin");
  EXPECT_EQ(wanted.uids.container_id, 0u);
  EXPECT_EQ(wanted.uids.host_id, 70000u);
  EXPECT_EQ(wanted.gids.host_id, 80000u);
  EXPECT_EQ(wanted.gids.size, 65536u);
}

TEST(UserNamespace, RefusedModes) {
  for (const auto mode : {v1::CONTAINER, v1::TARGET}) {
    v1::PodSandboxConfig config = PodWith(1000, 100000);
    OptionsOf(&config)->set_mode(mode);
    ExpectRefused(CheckUserNamespace(config),
                  Cat("userns_options.mode ", v1::NamespaceMode_Name(mode),
                      " is not allowed; use POD or NODE"));
  }
}

TEST(UserNamespace, RefusedMappings) {
  v1::PodSandboxConfig none;
  OptionsOf(&none)->set_mode(v1::POD);
  ExpectRefused(CheckUserNamespace(none),
                "userns_options.uids has 0 mappings, exactly one is allowed");
  v1::PodSandboxConfig two = PodWith(1000, 10);
  Add(OptionsOf(&two)->mutable_gids(), 5000, 10, 10);
  ExpectRefused(CheckUserNamespace(two),
                "userns_options.gids has 2 mappings, exactly one is allowed");
  v1::PodSandboxConfig shifted = PodWith(1000, 10);
  OptionsOf(&shifted)->mutable_uids(0)->set_container_id(1);
  ExpectRefused(CheckUserNamespace(shifted),
                "userns_options.uids: container_id is 1, but the mapping must begin with id 0");
  ExpectRefused(CheckUserNamespace(PodWith(1000, 0)), "userns_options.uids: length is 0");
  v1::PodSandboxConfig unequal = PodWith(1000, 10);
  OptionsOf(&unequal)->mutable_gids(0)->set_length(11);
  ExpectRefused(CheckUserNamespace(unequal),
                "userns_options: uids have length 10, gids 11; they must be equal");
}

TEST(UserNamespace, Ranges) {
  // The last id is 2^32 - 2.
  EXPECT_TRUE(CheckUserNamespace(PodWith(UINT32_MAX - 10, 10)).ok());
  ExpectRefused(CheckUserNamespace(PodWith(UINT32_MAX - 10, 11)),
                "host_id 4294967285 and length 11 go beyond the last id, 4294967294");
  ExpectRefused(CheckUserNamespace(PodWith(1, UINT32_MAX)), "go beyond the last id");
}

TEST(UserNamespace, NamespacesOfTheHost) {
  v1::PodSandboxConfig config = PodWith(1000, 100000);
  auto* options = config.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  options->set_network(v1::NODE);
  EXPECT_TRUE(CheckUserNamespace(config).ok());
  options->set_pid(v1::NODE);
  ExpectRefused(CheckUserNamespace(config), "namespace_options.pid NODE");
  options->set_pid(v1::POD);
  options->set_ipc(v1::NODE);
  ExpectRefused(CheckUserNamespace(config), "namespace_options.ipc NODE");
}

TEST(UserNamespace, ContainersHaveThePods) {
  const v1::PodSandboxConfig pod = PodWith(1000, 100000);
  v1::ContainerConfig config;
  EXPECT_TRUE(CheckUserNamespace(config, pod).ok());
  *OptionsOf(&config)->mutable_userns_options() =
      pod.linux().security_context().namespace_options().userns_options();
  EXPECT_TRUE(CheckUserNamespace(config, pod).ok());
  OptionsOf(&config)->mutable_userns_options()->mutable_uids(0)->set_host_id(1001);
  ExpectRefused(CheckUserNamespace(config, pod), "differ from the sandbox's");
  ExpectRefused(CheckUserNamespace(config, v1::PodSandboxConfig()), "the sandbox has none");
  OptionsOf(&config)->mutable_userns_options()->set_mode(v1::NODE);
  ExpectRefused(CheckUserNamespace(config, pod), "differ from the sandbox's");
  EXPECT_TRUE(CheckUserNamespace(config, v1::PodSandboxConfig()).ok());
  v1::ContainerConfig host_pid;
  OptionsOf(&host_pid)->set_pid(v1::NODE);
  ExpectRefused(CheckUserNamespace(host_pid, pod), "namespace_options.pid NODE");
}

TEST(UserNamespace, MountsHaveThePods) {
  const v1::PodSandboxConfig pod = PodWith(1000, 100000);
  v1::ContainerConfig config;
  v1::Mount* mount = config.add_mounts();
  mount->set_container_path("/data");
  EXPECT_TRUE(CheckUserNamespace(config, pod).ok());
  Add(mount->mutable_uidmappings(), 1000, 0, 100000);
  ExpectRefused(CheckUserNamespace(config, pod),
                "mount /data: gidMappings must be those of the pod (host_id 1000 container_id 0 "
                "length 100000), there are none");
  Add(mount->mutable_gidmappings(), 1000, 0, 100000);
  EXPECT_TRUE(CheckUserNamespace(config, pod).ok());
  ExpectRefused(CheckUserNamespace(config, v1::PodSandboxConfig()),
                "mount /data: uidMappings and gidMappings need a pod with a user namespace");
  mount->mutable_uidmappings(0)->set_length(5);
  ExpectRefused(CheckUserNamespace(config, pod), "not host_id 1000 container_id 0 length 5");
  mount->mutable_uidmappings(0)->set_length(100000);
  mount->set_propagation(v1::PROPAGATION_BIDIRECTIONAL);
  ExpectRefused(CheckUserNamespace(config, pod), "mount /data: propagation BIDIRECTIONAL");
}

}  // namespace
}  // namespace crisp::pod
