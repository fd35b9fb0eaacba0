#include "network/capabilities.h"

#include <gtest/gtest.h>

namespace crisp::network {
namespace {

TEST(CapabilitiesTest, EmptyAttachmentHasNone) {
  EXPECT_EQ(CapabilityArguments(Attachment{}).value(), "{}");
}

TEST(CapabilitiesTest, OnlyPortsOfTheHostAreMapped) {
  Attachment attachment;
  attachment.port_mappings = {
      {"tcp", 80, 8080, ""}, {"udp", 53, 0, ""}, {"sctp", 9, 9, "127.0.0.1"}};
  EXPECT_EQ(CapabilityArguments(attachment).value(),
            R"({"portMappings":[{"containerPort":80,"hostPort":8080,"protocol":"tcp"},)"
            R"({"containerPort":9,"hostIP":"127.0.0.1","hostPort":9,"protocol":"sctp"}]})");
}

TEST(CapabilitiesTest, RefusesBadPorts) {
  for (const PortMapping& port : {PortMapping{"tcp", 80, 70000, ""}, PortMapping{"tcp", 0, 80, ""},
                                  PortMapping{"icmp", 1, 1, ""}, PortMapping{"TCP", 1, 1, ""}}) {
    Attachment attachment;
    attachment.port_mappings = {port};
    EXPECT_EQ(CapabilityArguments(attachment).status().code(), Code::kInvalidArgument);
  }
}

TEST(CapabilitiesTest, EverythingElse) {
  Attachment attachment;
  attachment.annotations = {{"kubernetes.io/ingress-bandwidth", "1M"}};
  attachment.dns_servers = {"10.0.0.10"};
  attachment.dns_searches = {"a.local"};
  attachment.dns_options = {"ndots:5"};
  attachment.cgroup_path = "/kubepods/pod1";
  EXPECT_EQ(CapabilityArguments(attachment).value(),
            R"({"bandwidth":{"ingressBurst":2147483647,"ingressRate":1000000},)"
            R"("cgroupPath":"/kubepods/pod1",)"
            R"("dns":{"options":["ndots:5"],"searches":["a.local"],"servers":["10.0.0.10"]},)"
            R"("io.kubernetes.cri.pod-annotations":{"kubernetes.io/ingress-bandwidth":"1M"}})");
}

TEST(CniArgsTest, NamesThePod) {
  Attachment attachment;
  attachment.sandbox = SandboxId("abc");
  attachment.pod_name = "web";
  attachment.pod_namespace = "prod";
  attachment.pod_uid = "u-1";
  EXPECT_EQ(CniArgs(attachment).value(),
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=prod;K8S_POD_NAME=web;"
            "K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=u-1");
}

TEST(CniArgsTest, NoArgumentIsSmuggledIn) {
  Attachment attachment;
  attachment.pod_name = "web;IP=10.0.0.1";
  EXPECT_EQ(CniArgs(attachment).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace crisp::network
