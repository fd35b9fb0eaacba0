// What a start of the daemon makes of networks whose sandbox it does not know.
#include "pod/recovery.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/core/dir_fd.h"
#include "base/lane.h"
#include "pod/created_at.h"
#include "pod_fixtures.h"

namespace crisp::pod {
namespace {

class NoImages final : public image::ImageService {
 public:
  std::vector<image::ImagePtr> List() const override { return {}; }
  Result<image::ImagePtr> Find(const std::string&) const override { return image::ImagePtr(); }
  Result<std::string> Pull(const image::PullRequest&) override { return NotFound("pull"); }
  std::vector<image::PullProgress> Pulls() const override { return {}; }
  Result<image::CheckReport> Check(bool, const CancelToken&) override { return NotFound("check"); }
  image::Collected Collect() override { return {}; }
  Result<std::vector<std::string>> Import(const std::string&, const std::string&,
                                          const CancelToken&) override {
    return NotFound("import");
  }
  Status Export(const std::string&, const std::string&, const CancelToken&) override {
    return NotFound("export");
  }
  Status Remove(const std::string&) override { return OkStatus(); }
  image::FsInfo GetFsInfo() const override { return {}; }
  Result<image::LeasePtr> Acquire(const std::string&) override { return NotFound("lease"); }
  void CollectGarbage() override {}
  Status MountRootfs(const image::Lease&, const std::string&, const std::string&,
                     const std::string&, const image::MountOptions&) override {
    return NotFound("rootfs");
  }
  Status MountImage(const image::Lease&, const std::string&, const image::MountOptions&) override {
    return NotFound("image");
  }
  Status Reload(image::Reloadable) override { return OkStatus(); }
};

class CachedNetworks final : public network::Network {
 public:
  network::Readiness readiness() const override { return {}; }
  Result<network::PodAddresses> Add(const network::Attachment&, const CancelToken&) override {
    return NotFound("add");
  }
  Status Del(const network::Attachment& attachment, const CancelToken&) override {
    deleted.push_back(attachment);
    return del_status;
  }
  Result<std::vector<SandboxId>> ListCached() const override { return cached; }
  Result<network::PodAddresses> CachedAddresses(const SandboxId&) const override {
    return NotFound("addresses");
  }
  void SetPodCidrs(std::vector<std::string>) override {}

  std::vector<SandboxId> cached;
  std::vector<network::Attachment> deleted;
  Status del_status;
};

class RecoveryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "crisp-recovery-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    Options options;
    options.root = directory_ + "/root";
    options.state = directory_ + "/state";
    options.images = &images_;
    options.network = &network_;
    ASSERT_TRUE(EnsureDirectory(options.root).ok());
    ASSERT_TRUE(EnsureDirectory(options.state).ok());
    options.work_lane = &lane_;
    env_ = std::make_unique<Environment>(std::move(options));
    env_->layer_quotas = std::move(LayerQuotas::Open(env_->roots.root, {})).value();
    env_->db = std::move(StateDb::Open(directory_ + "/root/pods.db")).value();
  }
  void TearDown() override {
    env_.reset();
    EXPECT_TRUE(RemoveTreeAt(directory_).ok());
  }
  Status Recovered() {
    Stopper stopper(env_.get());
    ContainerLifecycle lifecycle(env_.get(), &stopper);
    Leases leases;
    return Recover(env_.get(), &lifecycle, &leases);
  }

  Telemetry telemetry_;
  Lane lane_{"work", 1, 100, &telemetry_};
  NoImages images_;
  CachedNetworks network_;
  std::string directory_;
  std::unique_ptr<Environment> env_;
};

TEST_F(RecoveryTest, ANetworkOfASandboxWithoutRowIsDeleted) {
  const SandboxId known = SandboxId::MakeRandom();
  const SandboxId foreign = SandboxId::MakeRandom();
  ASSERT_TRUE(env_->db->Put(MakeSandboxRow("p", known.str())).ok());
  network_.cached = {known, foreign};
  const Status recovered = Recovered();
  EXPECT_TRUE(recovered.ok()) << recovered.ToString();
  ASSERT_EQ(network_.deleted.size(), 1u) << "the other is its StopPodSandbox's";
  EXPECT_EQ(network_.deleted[0].sandbox, foreign);
  EXPECT_EQ(network_.deleted[0].netns_path, Cat(env_->roots.state, "/ns/", foreign.str(), "/net"));
}

TEST_F(RecoveryTest, ANetworkThatCannotBeDeletedKeepsNoDaemonFromStarting) {
  network_.cached = {SandboxId::MakeRandom(), SandboxId::MakeRandom()};
  network_.del_status = Internal("a plugin fails");
  EXPECT_TRUE(Recovered().ok());
  EXPECT_EQ(network_.deleted.size(), 2u);
}

// After a power cut that took the end of pods.db along.
TEST_F(RecoveryTest, DirectoriesOfAContainerWithoutRowGo) {
  const auto data = [this](const std::string& id) {
    return ContainerPaths(env_->roots, ContainerId(id)).upper();
  };
  const std::string with_row(64, 'a');
  const std::string foreign(64, 'b');
  const std::string of_this_boot(64, 'c');
  const SandboxId sandbox = SandboxId::MakeRandom();
  ASSERT_TRUE(env_->db->Put(MakeSandboxRow("p", sandbox.str())).ok());
  ContainerRow row = MakeContainerRow("c", with_row);
  row.sandbox = sandbox;
  row.state = ContainerState::kExited;
  ASSERT_TRUE(env_->db->Put(row).ok());
  for (const auto& id : {with_row, foreign, of_this_boot, std::string("not-an-id")}) {
    ASSERT_TRUE(EnsureDirectory(data(id)).ok());
  }
  ASSERT_TRUE(EnsureDirectory(ContainerPaths(env_->roots, ContainerId(of_this_boot)).state()).ok());
  const Status recovered = Recovered();
  EXPECT_TRUE(recovered.ok()) << recovered.ToString();
  lane_.Shutdown();
  EXPECT_TRUE(PathExists(data(with_row)));
  EXPECT_FALSE(PathExists(data(foreign)));
  EXPECT_TRUE(PathExists(data(of_this_boot)));
  EXPECT_TRUE(PathExists(data("not-an-id")));
}

// Its clock may have been ahead: what is made now is newer all the same.
TEST_F(RecoveryTest, WhatIsMadeNowIsNewerThanWhatWasThere) {
  SandboxRow row = MakeSandboxRow("p", SandboxId::MakeRandom().str());
  row.created_at_ns = WallNowNs() + std::chrono::nanoseconds(std::chrono::hours(1)).count();
  ASSERT_TRUE(env_->db->Put(row).ok());
  ASSERT_TRUE(Recovered().ok());
  EXPECT_GT(NextCreatedAtNs(), row.created_at_ns);
}

}  // namespace
}  // namespace crisp::pod
