// What a start of the daemon makes of what it finds: rows, directories, networks.
#include "pod/recovery.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <map>

#include "base/core/dir_fd.h"
#include "base/database.h"
#include "base/lane.h"
#include "pod/created_at.h"
#include "pod/run_sandbox.h"
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
    ASSERT_TRUE(EnsureDirectory(directory_ + "/root").ok());
    ASSERT_TRUE(EnsureDirectory(directory_ + "/state").ok());
    Reopen();
  }
  // As another daemon after this one.
  void Reopen() {
    env_.reset();
    Options options;
    options.root = directory_ + "/root";
    options.state = directory_ + "/state";
    options.images = &images_;
    options.network = &network_;
    options.work_lane = &lane_;
    options.cgroup_layout = &layout_;
    options.default_cgroup_parent = "/crisp-unit";
    env_ = std::make_unique<Environment>(std::move(options));
    env_->layer_quotas = std::move(LayerQuotas::Open(env_->roots.root, {})).value();
    OpenDb();
  }
  void OpenDb() {
    auto opened = StateDb::Open(directory_ + "/root/pods.db");
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    env_->db = std::move(opened).value();
  }
  void Execute(const std::string& sql) {
    env_->db.reset();  // exclusive: one at a time
    {
      // The schema is there already: pseudo migrations say that it is known.
      constexpr std::array<std::string_view, 3> kKnown = {"", "", ""};
      auto raw = Database::Open(directory_ + "/root/pods.db", Durability::kNormal, kKnown);
      ASSERT_TRUE(raw.ok()) << raw.status().ToString();
      const Status done = (*raw)->Execute(sql);
      EXPECT_TRUE(done.ok()) << done.ToString();
    }
    OpenDb();
  }
  void TearDown() override {
    if (directory_.empty()) return;  // skipped
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
  CgroupLayout layout_;  // no hierarchies
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

// On a full disk a pod is stopped though its row stays as it was; one that has no namespaces of its
// own leaves nothing else.
TEST_F(RecoveryTest, AStopThatWasNotWritten) {
  std::map<bool, SandboxId> ids;
  for (const bool stopped : {false, true}) {
    SandboxRow row = MakeSandboxRow(stopped ? "stopped" : "ready", SandboxId::MakeRandom().str());
    v1::NamespaceOption& options =
        *row.config.mutable_linux()->mutable_security_context()->mutable_namespace_options();
    options.set_network(v1::NODE);
    options.set_ipc(v1::NODE);
    options.set_pid(v1::CONTAINER);
    ASSERT_TRUE(env_->db->Put(row).ok());
    ids[stopped] = row.id;
    auto sandbox = std::make_shared<Sandbox>(row, nullptr, env_->roots, &lane_);
    ASSERT_TRUE(EnsureDirectory(sandbox->paths().namespaces()).ok());
    SandboxContext context{*env_, sandbox};
    const Status released = stopped ? ReleaseSandbox(context) : OkStatus();
    EXPECT_TRUE(released.ok()) << released.ToString();
  }
  ASSERT_TRUE(Recovered().ok());
  EXPECT_EQ(env_->registry.GetSandbox(ids[true].str()).value()->state(), SandboxState::kNotReady);
  EXPECT_EQ(env_->registry.GetSandbox(ids[false].str()).value()->state(), SandboxState::kReady);
}

// A half-made object keeps its name until its row is gone: with a second row of that name the next
// start could list one of the two only.
TEST_F(RecoveryTest, AHalfMadeOneIsListedWhileItsRowIsThere) {
  SandboxRow pod = MakeSandboxRow("p", SandboxId::MakeRandom().str());
  ASSERT_TRUE(env_->db->Put(pod).ok());
  SandboxRow half_pod = MakeSandboxRow("half", SandboxId::MakeRandom().str());
  half_pod.state = SandboxState::kCreating;
  ASSERT_TRUE(env_->db->Put(half_pod).ok());
  ContainerRow half = MakeContainerRow("c", std::string(64, 'a'));
  half.sandbox = pod.id;
  half.state = ContainerState::kCreating;
  ASSERT_TRUE(env_->db->Put(half).ok());
  for (const bool refused : {true, false}) {
    SCOPED_TRACE(refused ? "rows cannot be deleted" : "rows can be deleted");
    for (const char* table : {"sandboxes", "containers"}) {
      Execute(refused ? Cat("CREATE TRIGGER keep_", table, " BEFORE DELETE ON ", table,
                            " BEGIN SELECT RAISE(FAIL, 'on purpose'); END")
                      : Cat("DROP TRIGGER keep_", table));
    }
    // What the first start could write is as if it had been killed.
    if (!refused) {
      ASSERT_TRUE(env_->db->Put(half_pod).ok());
      ASSERT_TRUE(env_->db->Put(half).ok());
    }
    ASSERT_TRUE(Recovered().ok());
    EXPECT_EQ(env_->registry.GetSandbox(half_pod.id.str()).ok(), refused);
    EXPECT_EQ(env_->registry.GetContainer(half.id.str()).ok(), refused);
    EXPECT_EQ(env_->db->Sandboxes()->size(), refused ? 2u : 1u);
    EXPECT_EQ(env_->db->Containers()->size(), refused ? 1u : 0u);
    SandboxRow second_pod = half_pod;
    second_pod.id = SandboxId::MakeRandom();
    const auto sandbox = std::make_shared<Sandbox>(second_pod, nullptr, env_->roots, &lane_);
    EXPECT_EQ(env_->registry.Add(sandbox).ok(), !refused);
    ContainerRow second = half;
    second.id = ContainerId(std::string(64, 'b'));
    const auto container = std::make_shared<Container>(
        second, env_->registry.GetSandbox(pod.id.str()).value(), env_->roots);
    EXPECT_EQ(env_->registry.Add(container).ok(), !refused);
    Reopen();
  }
}

class ForeignSandboxTest : public RecoveryTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: what may be mounted is unmounted";
    RecoveryTest::SetUp();
  }
  // As RunPodSandbox leaves it; what is pinned there is a plain file.
  SandboxPaths MakeForeign(char digit) const {
    SandboxPaths paths(env_->roots, SandboxId(std::string(64, digit)));
    EXPECT_TRUE(EnsureDirectory(paths.namespaces()).ok());
    EXPECT_TRUE(WriteFile(paths.net(), "").ok());
    EXPECT_TRUE(EnsureDirectory(paths.shm()).ok());
    EXPECT_TRUE(WriteFile(paths.hosts(), "").ok());
    return paths;
  }
  static bool IsThere(const SandboxPaths& paths) {
    EXPECT_EQ(PathExists(paths.net()), PathExists(paths.state()));
    EXPECT_EQ(PathExists(paths.namespaces()), PathExists(paths.state()));
    return PathExists(paths.state());
  }
};

TEST_F(ForeignSandboxTest, NamespacesAndFilesGo) {
  const SandboxPaths known = MakeForeign('a'), foreign = MakeForeign('b');
  const std::string not_ours = env_->roots.state + "/ns/other";
  ASSERT_TRUE(EnsureDirectory(not_ours).ok());
  ASSERT_TRUE(env_->db->Put(MakeSandboxRow("p", std::string(64, 'a'))).ok());
  ContainerRow container = MakeContainerRow("c", std::string(64, 'c'));
  container.sandbox = SandboxId(std::string(64, 'a'));
  container.state = ContainerState::kExited;
  ASSERT_TRUE(env_->db->Put(container).ok());
  ASSERT_TRUE(EnsureDirectory(ContainerPaths(env_->roots, container.id).state()).ok());
  ASSERT_TRUE(Recovered().ok());
  EXPECT_TRUE(IsThere(known));
  EXPECT_FALSE(IsThere(foreign));
  EXPECT_TRUE(PathExists(not_ours));
}

TEST_F(ForeignSandboxTest, WhereSomethingMayRunTheyStay) {
  const SandboxPaths foreign = MakeForeign('b');
  network_.cached = {SandboxId(std::string(64, 'b'))};
  const std::string container =
      ContainerPaths(env_->roots, ContainerId(std::string(64, 'c'))).state();
  ASSERT_TRUE(EnsureDirectory(container).ok());
  ASSERT_TRUE(Recovered().ok());
  EXPECT_TRUE(IsThere(foreign)) << "a container that may be its own";
  ASSERT_TRUE(RemoveTreeAt(env_->roots.state + "/containers").ok());
  // Opening it fails with another error than that of one that is not there.
  ASSERT_TRUE(WriteFile(env_->roots.state + "/containers", "").ok());
  Reopen();
  ASSERT_TRUE(Recovered().ok());
  EXPECT_TRUE(IsThere(foreign)) << "nobody knows which containers there are";
  ASSERT_TRUE(RemoveTreeAt(env_->roots.state + "/containers").ok());
  ASSERT_TRUE(EnsureDirectory(foreign.init_monitor()).ok());
  Reopen();
  ASSERT_TRUE(Recovered().ok());
  EXPECT_TRUE(IsThere(foreign)) << "its init process";
  EXPECT_TRUE(network_.deleted.empty()) << "the network of what may run";
  network_.cached.clear();
  // After a restart of the node nothing runs.
  ASSERT_TRUE(WriteFile(env_->roots.state + "/boot_id", "another\n").ok());
  ASSERT_TRUE(EnsureDirectory(container).ok());
  Reopen();
  ASSERT_TRUE(Recovered().ok());
  EXPECT_FALSE(IsThere(foreign));
}

// Its plugins need the namespace.
TEST_F(ForeignSandboxTest, WhoseNetworkIsAttachedStays) {
  const SandboxPaths foreign = MakeForeign('b');
  network_.cached = {SandboxId(std::string(64, 'b'))};
  network_.del_status = Internal("a plugin fails");
  ASSERT_TRUE(Recovered().ok());
  EXPECT_EQ(network_.deleted.size(), 1u);
  EXPECT_TRUE(IsThere(foreign));
}

// File systems take the time of the kernel's last tick.
void AwaitTick() {
  timespec begin{}, now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &begin);
  do {
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  } while (now.tv_nsec == begin.tv_nsec);
}

// After a power cut that took the end of pods.db along.
TEST_F(RecoveryTest, DirectoriesOfAContainerWithoutRowGo) {
  const auto paths = [this](char digit) {
    return ContainerPaths(env_->roots, ContainerId(std::string(64, digit)));
  };
  const ContainerPaths with_row = paths('a'), lost = paths('b'), of_this_boot = paths('c'),
                       not_ours = paths('d');
  const SandboxId sandbox = SandboxId::MakeRandom();
  ASSERT_TRUE(env_->db->Put(MakeSandboxRow("p", sandbox.str())).ok());
  ContainerRow row = MakeContainerRow("c", std::string(64, 'a'));
  row.sandbox = sandbox;
  row.state = ContainerState::kExited;
  ASSERT_TRUE(env_->db->Put(row).ok());
  AwaitTick();
  for (const ContainerPaths* each : {&with_row, &lost, &of_this_boot, &not_ours}) {
    ASSERT_TRUE(EnsureDirectory(each->upper()).ok());
  }
  ASSERT_TRUE(EnsureDirectory(of_this_boot.state()).ok());
  ASSERT_TRUE(WriteFile(not_ours.data() + "/config.v2.json", "{}").ok());
  struct statx born {};
  ASSERT_EQ(::statx(AT_FDCWD, lost.data().c_str(), 0, STATX_BTIME, &born), 0);
  const Status recovered = Recovered();
  EXPECT_TRUE(recovered.ok()) << recovered.ToString();
  lane_.Shutdown();
  EXPECT_TRUE(PathExists(with_row.upper()));
  // Where the file system does not tell what is older than the database, all is left.
  EXPECT_EQ(PathExists(lost.data()), (born.stx_mask & STATX_BTIME) == 0);
  EXPECT_TRUE(PathExists(of_this_boot.upper()));
  EXPECT_TRUE(PathExists(not_ours.upper()));
}

TEST_F(RecoveryTest, DirectoriesFromBeforeTheDatabaseAreLeft) {
  const ContainerPaths older(env_->roots, ContainerId(std::string(64, 'a')));
  ASSERT_TRUE(EnsureDirectory(older.upper()).ok());
  env_->db.reset();
  const std::string path = env_->roots.root + "/pods.db";
  ASSERT_TRUE(EnsureDirectory(directory_ + "/away").ok());
  ASSERT_EQ(::rename(path.c_str(), (directory_ + "/away/pods.db").c_str()), 0);
  env_->db = std::move(StateDb::Open(path)).value();
  EXPECT_TRUE(Recovered().ok());
  lane_.Shutdown();
  EXPECT_TRUE(PathExists(older.upper()));
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
