#include "network/cni_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/failpoint.h"
#include "test_dir.h"

namespace crisp::network {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kTwo = R"({"cniVersion": "1.0.0", "name": "pods", "plugins": [
    {"type": "main", "ipam": {"type": "i"}},
    {"type": "chained", "capabilities": {"portMappings": true}}]})";

class CniNetworkTest : public testing::Test {
 protected:
  CniNetworkTest() {
    attachment_.sandbox = SandboxId::MakeRandom();
    attachment_.netns_path = "/proc/self/ns/net";
    attachment_.pod_name = "web";
    attachment_.port_mappings = {{"tcp", 80, 8080, ""}};
    dir_.WriteRecorder("main", kResult10);
    dir_.WriteRecorder("chained", kResult10);
    dir_.Write("net.d/10.conflist", kTwo);
  }
  void TearDown() override { failpoint::DisarmAll(); }
  Network& network() {
    if (!network_) {
      Options options;
      options.config_dir = dir_.net_d();
      options.plugin_dirs = {dir_.bin()};
      options.cache_dir = dir_.path() + "/cache";
      options.loop = loop_.get();
      options.telemetry = &telemetry_;
      network_ = Network::Open(options).value();
    }
    return *network_;
  }
  std::string CacheFile() const { return "cache/" + attachment_.sandbox.str() + ".json"; }

  TestDir dir_;
  LoopThread loop_;
  Telemetry telemetry_;
  std::unique_ptr<Network> network_;
  Attachment attachment_;
};

TEST_F(CniNetworkTest, AddGivesAddressesAndDelUndoesInReverse) {
  EXPECT_TRUE(network().readiness().ready);
  const auto addresses = network().Add(attachment_, {});
  ASSERT_TRUE(addresses.ok()) << addresses.status().ToString();
  EXPECT_EQ(addresses->primary, "10.1.2.3");
  EXPECT_THAT(addresses->additional, ElementsAre("fd00::3"));
  EXPECT_THAT(dir_.Read("main.ADD.in"), Not(HasSubstr("prevResult")));
  EXPECT_THAT(dir_.Read("main.ADD.in"), Not(HasSubstr("runtimeConfig")));
  EXPECT_THAT(dir_.Read("chained.ADD.in"), HasSubstr("\"prevResult\":{\"cniVersion\":\"1.0.0\""));
  EXPECT_THAT(dir_.Read("chained.ADD.in"), HasSubstr("\"hostPort\":8080"));
  EXPECT_THAT(network().ListCached().value(), ElementsAre(attachment_.sandbox));
  EXPECT_EQ(network().CachedAddresses(attachment_.sandbox).value().primary, "10.1.2.3");

  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_EQ(dir_.Read("log"), "ADD main\nADD chained\nDEL chained\nDEL main\n");
  EXPECT_THAT(dir_.Read("main.DEL.in"), HasSubstr("\"prevResult\""));
  EXPECT_THAT(dir_.Read("main.DEL.env"), HasSubstr("CNI_NETNS=/proc/self/ns/net\n"));
  EXPECT_TRUE(network().ListCached().value().empty());
  // Idempotent: nothing runs any more.
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_EQ(dir_.Read("log"), "ADD main\nADD chained\nDEL chained\nDEL main\n");
  EXPECT_EQ(network().CachedAddresses(attachment_.sandbox).status().code(), Code::kNotFound);
}

TEST_F(CniNetworkTest, DelUsesTheConfigurationOfItsAdd) {
  ASSERT_TRUE(network().Add(attachment_, {}).ok());
  network_.reset();
  dir_.Write("net.d/10.conflist", "broken");
  attachment_.port_mappings.clear();
  EXPECT_FALSE(network().readiness().ready);
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_THAT(dir_.Read("chained.DEL.in"), HasSubstr("\"hostPort\":8080"));
}

// What recovery deletes of a sandbox that has no row any more: nothing is known but the id.
TEST_F(CniNetworkTest, DelByTheIdAloneHasTheRestFromItsAdd) {
  ASSERT_TRUE(network().Add(attachment_, {}).ok());
  network_.reset();
  Attachment by_id;
  by_id.sandbox = attachment_.sandbox;
  ASSERT_TRUE(network().Del(by_id, {}).ok());
  EXPECT_EQ(dir_.Read("log"), "ADD main\nADD chained\nDEL chained\nDEL main\n");
  EXPECT_THAT(dir_.Read("main.DEL.env"), HasSubstr("CNI_NETNS=/proc/self/ns/net\n"));
  EXPECT_THAT(dir_.Read("main.DEL.env"), HasSubstr(";K8S_POD_NAME=web;"));
  EXPECT_THAT(dir_.Read("main.DEL.in"), HasSubstr("\"prevResult\""));
  EXPECT_THAT(dir_.Read("chained.DEL.in"), HasSubstr("\"hostPort\":8080"));
  EXPECT_TRUE(network().ListCached().value().empty());
}

// A network namespace is there, and a configuration, but nobody began an ADD: there is nothing that
// a plugin could know of.
TEST_F(CniNetworkTest, DelWithoutAnAddRunsNothing) {
  ASSERT_TRUE(network().readiness().ready);
  const Status deleted = network().Del(attachment_, {});
  EXPECT_TRUE(deleted.ok()) << deleted.ToString();
  EXPECT_EQ(dir_.Read("log"), "");
}

// The daemon was killed while the first plugin ran: what that did is unknown, and not nothing.
TEST_F(CniNetworkTest, DelOfAnAddWithoutResultRunsAllPlugins) {
  ASSERT_TRUE(failpoint::Arm("network.plugin.ADD.main.after=1*error").ok());
  ASSERT_FALSE(network().Add(attachment_, {}).ok());
  network_.reset();
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_EQ(dir_.Read("log"), "ADD main\nDEL chained\nDEL main\n");
  EXPECT_THAT(dir_.Read("main.DEL.env"), HasSubstr("CNI_NETNS=/proc/self/ns/net\n"));
  EXPECT_THAT(dir_.Read("main.DEL.in"), Not(HasSubstr("prevResult")));
  EXPECT_TRUE(network().ListCached().value().empty());
}

TEST_F(CniNetworkTest, VersionsBefore04HaveNoPrevResultInDel) {
  dir_.Write("net.d/10.conflist",
             R"({"cniVersion": "0.3.1", "name": "old", "plugins": [{"type": "main"}]})");
  dir_.WriteRecorder(
      "main", R"({"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.0.0.9/8"}]})");
  ASSERT_EQ(network().Add(attachment_, {}).value().primary, "10.0.0.9");
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_THAT(dir_.Read("main.DEL.in"), HasSubstr("\"cniVersion\":\"0.3.1\""));
  EXPECT_THAT(dir_.Read("main.DEL.in"), Not(HasSubstr("prevResult")));
}

TEST_F(CniNetworkTest, ANamespaceThatIsGoneIsEmpty) {
  dir_.Write("pin", "");  // the file is there, the mount is not
  attachment_.netns_path = dir_.path() + "/pin";
  ASSERT_TRUE(network().Add(attachment_, {}).ok());
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_THAT(dir_.Read("main.DEL.env"), HasSubstr("CNI_NETNS=\n"));
}

TEST_F(CniNetworkTest, NoConfiguration) {
  ASSERT_TRUE(RemoveTreeAt(dir_.net_d()).ok());
  const auto added = network().Add(attachment_, {});
  EXPECT_EQ(added.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(added.status().message(), HasSubstr(dir_.net_d()));
  EXPECT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_TRUE(network().ListCached().value().empty());
}

TEST_F(CniNetworkTest, AFailedAddIsUndoneByDel) {
  dir_.WritePlugin("chained",
                   "[ $CNI_COMMAND = DEL ] && exit 0\n"
                   "echo '{\"code\": 11, \"msg\": \"later\"}'; exit 1");
  const auto added = network().Add(attachment_, {});
  EXPECT_EQ(added.status().code(), Code::kUnavailable);
  EXPECT_EQ(added.status().message(), "network pods: cni ADD chained: later (CNI code 11)");
  EXPECT_EQ(network().CachedAddresses(attachment_.sandbox).status().code(), Code::kNotFound);
  EXPECT_EQ(network().Add(attachment_, {}).status().code(), Code::kAlreadyExists);
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_EQ(dir_.Read("log"), "ADD main\nDEL main\n");
  EXPECT_TRUE(network().ListCached().value().empty());
}

TEST_F(CniNetworkTest, AFailedDelKeepsTheCacheAndIsRetried) {
  ASSERT_TRUE(network().Add(attachment_, {}).ok());
  dir_.WritePlugin("main", "exit 1");
  const Status failed = network().Del(attachment_, {});
  EXPECT_EQ(failed.code(), Code::kInternal);
  EXPECT_EQ(failed.message(),
            "network pods: cni DEL main: exited with 1 without a CNI error object");
  EXPECT_EQ(network().ListCached().value().size(), 1u);
  dir_.WriteRecorder("main", "");
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_TRUE(network().ListCached().value().empty());
}

TEST_F(CniNetworkTest, AResultWithoutAddressIsAnErrorThatDelUndoes) {
  dir_.WriteRecorder("chained", "{}");
  EXPECT_THAT(network().Add(attachment_, {}).status().message(),
              HasSubstr("no address for the pod"));
  dir_.WriteRecorder("chained", "not json");
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_THAT(network().Add(attachment_, {}).status().message(),
              HasSubstr("cni ADD chained: the result: is not JSON"));
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
}

TEST_F(CniNetworkTest, ADamagedCacheFallsBackToTheCurrentConfiguration) {
  ASSERT_TRUE(network().Add(attachment_, {}).ok());
  dir_.Write(CacheFile(), "");
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_EQ(dir_.Read("log"), "ADD main\nADD chained\nDEL chained\nDEL main\n");
  EXPECT_THAT(dir_.Read("main.DEL.env"), HasSubstr("CNI_NETNS=/proc/self/ns/net\n"));
  EXPECT_TRUE(network().ListCached().value().empty());
}

TEST_F(CniNetworkTest, TheNamespaceOfADelIsThatOfItsAdd) {
  ASSERT_TRUE(network().Add(attachment_, {}).ok());
  attachment_.netns_path = "/where/it/never/was";
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
  EXPECT_THAT(dir_.Read("main.DEL.env"), HasSubstr("CNI_NETNS=/proc/self/ns/net\n"));
}

TEST_F(CniNetworkTest, ADamagedCacheWithoutConfigurationIsReported) {
  ASSERT_TRUE(network().Add(attachment_, {}).ok());
  network_.reset();
  ASSERT_TRUE(RemoveTreeAt(dir_.net_d()).ok());
  dir_.Write(CacheFile(), "{");
  EXPECT_EQ(network().Del(attachment_, {}).code(), Code::kDataLoss);
  EXPECT_EQ(network().ListCached().value().size(), 1u);
}

TEST_F(CniNetworkTest, BadAttachmentsLeaveNothing) {
  attachment_.annotations = {{"kubernetes.io/ingress-bandwidth", "fast"}};
  EXPECT_EQ(network().Add(attachment_, {}).status().code(), Code::kInvalidArgument);
  attachment_.annotations.clear();
  attachment_.netns_path.clear();
  EXPECT_EQ(network().Add(attachment_, {}).status().code(), Code::kInvalidArgument);
  attachment_.sandbox = SandboxId("../../etc/passwd");
  EXPECT_EQ(network().Add(attachment_, {}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(network().Del(attachment_, {}).code(), Code::kInvalidArgument);
  EXPECT_TRUE(network().ListCached().value().empty());
  EXPECT_EQ(dir_.Read("log"), "");
}

TEST_F(CniNetworkTest, ACancelledCallRunsNothing) {
  CancelSource source;
  source.Cancel();
  EXPECT_EQ(network().Add(attachment_, source.token()).status().code(), Code::kCancelled);
  EXPECT_EQ(dir_.Read("log"), "");
  EXPECT_EQ(network().Del(attachment_, source.token()).code(), Code::kCancelled);
  ASSERT_TRUE(network().Del(attachment_, {}).ok());
}

TEST_F(CniNetworkTest, EveryFailpointIsUndoneByDel) {
  for (const char* name : {"network.cache.write", "network.plugin.ADD.main.before",
                           "network.plugin.ADD.main.after", "network.plugin.ADD.chained.before",
                           "network.plugin.ADD.chained.after", "network.cache.update"}) {
    ASSERT_TRUE(failpoint::Arm(Cat(name, "=1*error")).ok());
    EXPECT_FALSE(network().Add(attachment_, {}).ok()) << name;
    EXPECT_TRUE(network().Del(attachment_, {}).ok()) << name;
    EXPECT_TRUE(network().ListCached().value().empty()) << name;
  }
  for (const char* name : {"network.plugin.DEL.chained.before", "network.plugin.DEL.main.after",
                           "network.cache.remove"}) {
    ASSERT_TRUE(network().Add(attachment_, {}).ok());
    ASSERT_TRUE(failpoint::Arm(Cat(name, "=1*error")).ok());
    EXPECT_FALSE(network().Del(attachment_, {}).ok()) << name;
    EXPECT_EQ(network().ListCached().value().size(), 1u) << name;
    EXPECT_TRUE(network().Del(attachment_, {}).ok()) << name;
  }
}

TEST_F(CniNetworkTest, PodsRunInParallel) {
  // Each ADD waits until the other has begun: a lock across plugins would never end.
  dir_.WritePlugin("main",
                   "touch $DIR/in.$CNI_CONTAINERID\n"
                   "[ $CNI_COMMAND = DEL ] && exit 0\n"
                   "while [ $(ls $DIR | grep -c '^in\\.') -lt 2 ]; do sleep 0.02; done\n"
                   "echo '{\"ips\": [{\"address\": \"10.0.0.2/8\"}]}'");
  dir_.WritePlugin("chained", "echo '{\"ips\": [{\"address\": \"10.0.0.2/8\"}]}'");
  Network& shared = network();
  Attachment other = attachment_;
  other.sandbox = SandboxId::MakeRandom();
  Status first, second;
  std::thread a([&] { first = shared.Add(attachment_, {}).status(); });
  std::thread b([&] { second = shared.Add(other, {}).status(); });
  a.join();
  b.join();
  EXPECT_TRUE(first.ok()) << first.ToString();
  EXPECT_TRUE(second.ok()) << second.ToString();
}

TEST(NetworkOpenTest, RequiresItsParts) {
  EXPECT_EQ(Network::Open(Options{}).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace crisp::network
