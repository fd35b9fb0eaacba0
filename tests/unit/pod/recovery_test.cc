// What a start of the daemon makes of networks whose sandbox it does not know.
#include "pod/recovery.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/core/dir_fd.h"
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
    env_ = std::make_unique<Environment>(std::move(options));
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
  EXPECT_EQ(network_.deleted[0].netns_path, "") << "that of its ADD";
}

TEST_F(RecoveryTest, ANetworkThatCannotBeDeletedKeepsNoDaemonFromStarting) {
  network_.cached = {SandboxId::MakeRandom(), SandboxId::MakeRandom()};
  network_.del_status = Internal("a plugin fails");
  EXPECT_TRUE(Recovered().ok());
  EXPECT_EQ(network_.deleted.size(), 2u);
}

}  // namespace
}  // namespace crisp::pod
