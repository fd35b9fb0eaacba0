#include "pod/state_db.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/core/dir_fd.h"
#include "pod_fixtures.h"

namespace crisp::pod {
namespace {

class StateDbTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/crisp-statedb.XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    directory_ = path;
    Open();
  }
  void TearDown() override {
    db_.reset();
    EXPECT_TRUE(RemoveTreeAt(directory_).ok());
  }
  void Open() {
    db_.reset();  // exclusive: one at a time
    auto opened = StateDb::Open(Path());
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    db_ = std::move(opened).value();
  }
  std::string Path() const { return directory_ + "/pods.db"; }

  std::string directory_;
  std::unique_ptr<StateDb> db_;
};

TEST_F(StateDbTest, ASandboxSurvivesReopening) {
  SandboxRow row = MakeSandboxRow("web", "11");
  row.state = SandboxState::kNotReady;
  row.handler = "crun";
  row.requested_handler = "";
  row.addresses = {"10.0.0.2", {"fd00::2", "10.0.0.3"}};
  row.init = {10, 11, uint64_t{1} << 40};
  row.selinux_level = "s0:c1,c2";
  (*row.config.mutable_labels())["k"] = std::string("v\0w", 3);
  ASSERT_TRUE(db_->Put(row).ok());
  Open();
  const auto rows = db_->Sandboxes();
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 1u);
  const SandboxRow& read = rows->front();
  EXPECT_EQ(read.id, row.id);
  EXPECT_EQ(read.state, row.state);
  EXPECT_EQ(read.handler, "crun");
  EXPECT_EQ(read.selinux_level, "s0:c1,c2");
  EXPECT_EQ(read.created_at_ns, row.created_at_ns);
  EXPECT_EQ(read.addresses.primary, "10.0.0.2");
  EXPECT_EQ(read.addresses.additional, row.addresses.additional);
  EXPECT_EQ(read.init.monitor_pid, 10);
  EXPECT_EQ(read.init.container_pid, 11);
  EXPECT_EQ(read.init.container_start_time, uint64_t{1} << 40);
  EXPECT_EQ(read.config.SerializeAsString(), row.config.SerializeAsString());
}

TEST_F(StateDbTest, AContainerSurvivesReopeningAndReplacement) {
  ContainerRow row = MakeContainerRow("c", "c1");
  row.sandbox = SandboxId("11");
  ASSERT_TRUE(db_->Put(row).ok());
  row.state = ContainerState::kExited;
  row.exit_code = 137;
  row.reason = "OOMKilled";
  row.message = "m";
  row.started_at_ns = 5;
  row.finished_at_ns = 6;
  row.image_id = "sha256:1";
  row.image_ref = "r@sha256:2";
  row.image_name = "r:1";
  row.stop_signal = 15;
  row.image_volume_ids = {"sha256:a", "sha256:b", "sha256:a"};
  row.user = {1000, 1000, {7, 50000}};
  row.resources.set_cpu_quota(-1);
  row.process = {1, 2, 3};
  ASSERT_TRUE(db_->Put(row).ok());
  Open();
  const auto rows = db_->Containers();
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 1u);
  const ContainerRow& read = rows->front();
  EXPECT_EQ(read.sandbox.str(), "11");
  EXPECT_EQ(read.state, ContainerState::kExited);
  EXPECT_EQ(read.exit_code, 137);
  EXPECT_EQ(read.reason, "OOMKilled");
  EXPECT_EQ(read.message, "m");
  EXPECT_EQ(read.started_at_ns, 5);
  EXPECT_EQ(read.finished_at_ns, 6);
  EXPECT_EQ(read.image_id, "sha256:1");
  EXPECT_EQ(read.image_ref, "r@sha256:2");
  EXPECT_EQ(read.image_name, "r:1");
  EXPECT_EQ(read.stop_signal, 15);
  EXPECT_EQ(read.image_volume_ids, row.image_volume_ids);
  EXPECT_EQ(read.user.uid, 1000u);
  EXPECT_EQ(read.user.additional_gids, (std::vector<uint32_t>{7, 50000}));
  EXPECT_EQ(read.resources.cpu_quota(), -1);
  EXPECT_EQ(read.process.container_start_time, 3u);
  ASSERT_TRUE(db_->Delete(row.id).ok());
  EXPECT_TRUE(db_->Containers()->empty());
}

// Recovery lists first what was made first.
TEST_F(StateDbTest, RowsComeInTheOrderOfTheirCreation) {
  for (const int64_t created : {2, 3, 1}) {
    SandboxRow sandbox = MakeSandboxRow("s", std::to_string(9 - created));
    sandbox.created_at_ns = created;
    ASSERT_TRUE(db_->Put(sandbox).ok());
    ContainerRow container = MakeContainerRow("c", std::to_string(9 - created));
    container.created_at_ns = created;
    ASSERT_TRUE(db_->Put(container).ok());
  }
  const auto sandboxes = *db_->Sandboxes();
  const auto containers = *db_->Containers();
  ASSERT_EQ(sandboxes.size(), 3u);
  ASSERT_EQ(containers.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(sandboxes[i].created_at_ns, static_cast<int64_t>(i + 1));
    EXPECT_EQ(containers[i].created_at_ns, static_cast<int64_t>(i + 1));
  }
}

TEST_F(StateDbTest, BootIdIsEmptyThenKept) {
  EXPECT_EQ(*db_->BootId(), "");
  ASSERT_TRUE(db_->SetBootId("a").ok());
  ASSERT_TRUE(db_->SetBootId("b").ok());
  Open();
  EXPECT_EQ(*db_->BootId(), "b");
}

TEST_F(StateDbTest, RefusesRubbishAndNewerSchemas) {
  db_.reset();
  {
    auto raw = Database::Open(Path(), Durability::kNormal, {});
    EXPECT_EQ(raw.status().code(), Code::kFailedPrecondition) << "version 1 with no migrations";
  }
  for (const std::string& file : {Path(), Path() + "-wal"}) {
    ASSERT_TRUE(RemoveTreeAt(file).ok());
  }
  ASSERT_TRUE(WriteFile(Path(), std::string(4096, 'x')).ok());
  EXPECT_EQ(StateDb::Open(Path()).status().code(), Code::kDataLoss);
}

TEST_F(StateDbTest, AConfigThatCannotBeReadIsDataLoss) {
  db_.reset();
  {
    // The schema is there already: pseudo migrations say that it is known.
    constexpr std::array<std::string_view, 3> kKnown = {"", "", ""};
    auto raw = Database::Open(Path(), Durability::kNormal, kKnown);
    ASSERT_TRUE(raw.ok());
    ASSERT_TRUE((*raw)
                    ->Execute("INSERT INTO sandboxes VALUES('11',1,1,'','',?,'',0,0,0,'')",
                              {Database::Blob{"\xff\xff"}})
                    .ok());
  }
  Open();
  EXPECT_EQ(db_->Sandboxes().status().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace crisp::pod
