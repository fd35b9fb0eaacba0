// Project quotas of writable layers: on ext4 and xfs, which the test makes in files and mounts.
//
// Needs loop devices, mkfs.ext4, mkfs.xfs and a kernel with CONFIG_QFMT_V2 and CONFIG_XFS_QUOTA.
#include <sys/mount.h>
#include <sys/stat.h>

#include <map>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "base/core/project_quota.h"
#include "tests/support/pod_test.h"
#include "tests/support/surroundings.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kLimit = 8 * kMiB;
constexpr uint32_t kFirstId = 2'000'000'000;  // the default
constexpr uint32_t kIds = 100;                // few, so that a test can ask for each

Status Command(const std::vector<std::string>& argv) {
  RunOptions run;
  run.argv = argv;
  run.argv[0] = FindProgram(argv[0]);
  if (run.argv[0].empty()) return NotFound(argv[0], " is not installed");
  run.deadline = MonoNow() + Patient(std::chrono::seconds(60));
  const RunOutput output = CRISP_TRY(crisp::Run(run));
  return output.status.success() ? OkStatus() : Internal(argv[0], ": ", output.stderr_data);
}

// A new file system in `file`, on `point`.
Status MountNew(const std::string& type, const std::string& file, const std::string& point,
                const std::string& options) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(point));
  CRISP_RETURN_IF_ERROR(WriteFile(file, ""));
  if (::truncate(file.c_str(), 400 * kMiB) != 0) return Errno("truncate ", file);
  std::vector<std::string> make = {"mkfs.xfs", "-q", "-f", file};
  if (type == "ext4") {
    make = {"mkfs.ext4", "-q", "-F", "-O", "project,quota", "-E", "quotatype=prjquota", file};
  }
  CRISP_RETURN_IF_ERROR(Command(make));
  return Command({"mount", "-t", type, "-o", options, file, point});
}

// Why this machine has no project quotas on `type`; OK: it has.
Status Probe(const std::string& type) {
  const std::string file = "/run/quota-probe.img";
  const ScopedMount mounted("/run/quota-probe");
  Status made = MountNew(type, file, mounted.target(), "loop,prjquota");
  if (made.ok()) made = ProjectQuota::Open(mounted.target()).status();
  (void)EnsureUnmounted(mounted.target());
  ::unlink(file.c_str());
  return made;
}

// Parameter: "<file system>_<runtime>".
class QuotaTest : public PodTest {
 protected:
  std::string FileSystem() const { return GetParam().substr(0, GetParam().find('_')); }
  std::string Runtime() const override { return GetParam().substr(GetParam().find('_') + 1); }
  std::string MoreConfig() const override {
    return Cat("writable_layer:\n  project_ids: ", kIds, "\n  size_limit: ", kLimit / kMiB,
               "MiB\n");
  }
  virtual std::string MountOptions() const { return "loop,prjquota"; }

  void SetUp() override {
    static std::map<std::string, Status> probed;
    if (InSurroundings() && !probed.contains(FileSystem())) {
      probed[FileSystem()] = Probe(FileSystem());
    }
    if (!probed[FileSystem()].ok()) GTEST_SKIP() << probed[FileSystem()].ToString();
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
  }
  void TearDown() override {
    const std::string root = root_;
    if (quota_) {
      RemoveAllPods();
      EXPECT_TRUE(Eventually([&] { return IdsInUse() == 0; })) << "a project id is not given back";
      quota_.reset();
    }
    PodTest::TearDown();
    if (root.empty()) return;
    EXPECT_THAT(EnsureUnmounted(root), IsOk());
    ::unlink(Cat(root, ".img").c_str());
  }
  Status BeforeStart() override {
    root_ = daemon().root();
    CRISP_RETURN_IF_ERROR(MountNew(FileSystem(), Cat(root_, ".img"), root_, MountOptions()));
    quota_ = CRISP_TRY(ProjectQuota::Open(root_));
    return OkStatus();
  }

  // Ids of crisp's range that have files or limits.
  size_t IdsInUse() {
    size_t count = 0;
    for (uint32_t id = kFirstId; id < kFirstId + kIds; ++id) {
      if (!Must(quota_->Get(id)).unused()) ++count;
    }
    return count;
  }
  std::string Start(const std::string& name) {
    return StartContainer(pod_, ContainerConfig(name, {"top"}), sandbox_);
  }
  uint32_t IdOf(const std::string& container, const std::string& part = "upper") {
    return Must(ProjectIdOf(Cat(root_, "/containers/", container, "/", part)));
  }
  v1::FilesystemUsage UsageOf(const std::string& container) {
    v1::ContainerStatsRequest request;
    request.set_container_id(container);
    return Must(client().Call(request)).stats().writable_layer();
  }
  uint64_t BytesOf(const std::string& container) { return UsageOf(container).used_bytes().value(); }
  // dd's error text, "" when all could be written.
  std::string Write(const std::string& container, const std::string& file, uint64_t mib) {
    const auto response = Must(TryExec(
        container,
        {"sh", "-c", Cat("dd if=/dev/zero of=", file, " bs=1M count=", mib, " 2>&1 && sync")},
        PatientSeconds(30)));
    return response.exit_code() == 0 ? "" : response.stdout();
  }

  std::string root_;
  std::optional<ProjectQuota> quota_;
  v1::PodSandboxConfig sandbox_;
  std::string pod_;
};

// xfs says ENOSPC, ext4 EDQUOT.
MATCHER(IsRefusal, "says that the limit is reached") {
  return arg.find("No space left") != std::string::npos ||
         arg.find("quota exceeded") != std::string::npos;
}

TEST_P(QuotaTest, OneAtItsLimitAndItsNeighbour) {
  const std::string full = Start("full");
  const std::string other = Start("other");
  EXPECT_NE(IdOf(full), IdOf(other));
  EXPECT_THAT(Write(full, "/file", 20), IsRefusal());
  EXPECT_EQ(Write(other, "/file", 5), "");
  EXPECT_LE(BytesOf(full), kLimit);
  EXPECT_GE(BytesOf(full), kLimit - kMiB);
  EXPECT_GE(BytesOf(other), 5 * kMiB);
  EXPECT_LE(BytesOf(other), 6 * kMiB);
  Shell(full, "rm /file");
  // xfs frees behind the call.
  EXPECT_TRUE(Eventually([&] { return BytesOf(full) <= kMiB; })) << BytesOf(full);
  EXPECT_EQ(Write(full, "/again", 5), "");
  EXPECT_EQ(Must(quota_->Get(IdOf(full))).limit.bytes, kLimit);
}

TEST_P(QuotaTest, WhatIsCountedIsWhatIsThere) {
  const std::string id = Start("c");
  const uint64_t inodes = UsageOf(id).inodes_used().value();
  Shell(id, "mkdir /d; for i in 1 2 3 4 5 6 7 8; do echo text >/d/$i; done");
  EXPECT_EQ(UsageOf(id).inodes_used().value(), inodes + 9);
  EXPECT_EQ(UsageOf(id).fs_id().mountpoint(), root_);
  // What overlayfs copies up is the container's too.
  const uint64_t before = BytesOf(id);
  Shell(id, "chmod 0700 /bin/busybox; sync");
  EXPECT_GE(BytesOf(id), before + 100'000);
  EXPECT_EQ(IdOf(id, "work"), IdOf(id));
  EXPECT_EQ(IdOf(id, "bundle"), 0u) << "crisp's own files are not the container's";
  // As the descriptor says, so does the device's path (kernels before 5.14).
  const auto by_device = ProjectQuota::Open(root_, ProjectQuota::Access::kByDevice);
  ASSERT_THAT(by_device, IsOk());
  EXPECT_TRUE(by_device->enforces());
  EXPECT_EQ(Must(by_device->Get(IdOf(id))).inodes, Must(quota_->Get(IdOf(id))).inodes);
}

TEST_P(QuotaTest, ANewDaemonFindsTheIds) {
  const std::string first = Start("first");
  ASSERT_EQ(Write(first, "/file", 3), "");
  const uint32_t id = IdOf(first);
  KillAndRestart();
  EXPECT_GE(BytesOf(first), 3 * kMiB);
  EXPECT_THAT(Write(first, "/more", 20), IsRefusal());
  const std::string second = Start("second");
  EXPECT_NE(IdOf(second), id);
  EXPECT_EQ(IdsInUse(), 2u);
  ASSERT_THAT(TryStop(first, 0), IsOk());
  ASSERT_THAT(TryRemove(first), IsOk());
  EXPECT_TRUE(Eventually([&] { return IdsInUse() == 1; }));
  EXPECT_TRUE(Must(quota_->Get(id)).unused());
}

// The container's root may change the id of its own files.
TEST_P(QuotaTest, AnIdThatTheContainerGaveItselfIsNotBelieved) {
  const std::string other = Start("other");
  const std::string id = Start("c");
  const uint32_t own = IdOf(id);
  ASSERT_THAT(SetProjectId(Cat(root_, "/containers/", id, "/upper"), IdOf(other)), IsOk());
  KillAndRestart();
  ASSERT_THAT(TryStop(id, 0), IsOk());
  ASSERT_THAT(TryRemove(id), IsOk());
  EXPECT_EQ(Must(quota_->Get(IdOf(other))).limit.bytes, kLimit) << "the neighbour's";
  EXPECT_TRUE(Eventually([&] { return Must(quota_->Get(own)).unused(); }));
}

TEST_P(QuotaTest, ThePrivatePasswdIsCounted) {
  auto config = ContainerConfig("c", {"top"});
  config.mutable_linux()->mutable_security_context()->mutable_run_as_user()->set_value(12345);
  const std::string id = StartContainer(pod_, config, sandbox_);
  EXPECT_EQ(IdOf(id, "passwd"), IdOf(id));
}

TEST_P(QuotaTest, AFailureAtAnyStepLeavesNoIdAndNoLimit) {
  for (const char* step : {"project_id", "directories", "quota", "rootfs", "monitor"}) {
    for (const char* where : {"before", "after"}) {
      SCOPED_TRACE(Cat(step, ".", where));
      KillAndRestart(Cat("create_container.", step, ".", where, "=1*error"));
      EXPECT_FALSE(TryCreate(pod_, ContainerConfig("c", {"top"}), sandbox_).ok());
      EXPECT_TRUE(Eventually([&] { return IdsInUse() == 0; }));
    }
  }
  // The undo fails as well: the container stays listed, and its removal finishes the work.
  KillAndRestart("create_container.quota.after=1*error;pod.layer_quotas.lift=2*error");
  EXPECT_FALSE(TryCreate(pod_, ContainerConfig("c", {"top"}), sandbox_).ok());
  EXPECT_EQ(IdsInUse(), 1u) << "the directories stay as long as the limit";
  RemoveAllPods();
  EXPECT_TRUE(Eventually([&] { return IdsInUse() == 0; }));
}

TEST_P(QuotaTest, AKillAtAnyStepLeavesNoIdAndNoLimit) {
  for (const char* place :
       {"project_id.after", "directories.after", "quota.before", "quota.after", "monitor.before"}) {
    SCOPED_TRACE(place);
    KillAndRestart(Cat("create_container.", place, "=kill"));
    EXPECT_FALSE(TryCreate(pod_, ContainerConfig("c", {"top"}), sandbox_).ok());
    ASSERT_THAT(daemon().WaitUntilDead(std::chrono::seconds(10)), IsOk());
    ASSERT_THAT(daemon().Start(), IsOk());
    EXPECT_TRUE(Eventually([&] { return IdsInUse() == 0; }));
  }
  for (const char* undo : {"quota", "directories", "project_id"}) {
    SCOPED_TRACE(Cat(undo, ".undo"));
    const std::string id = Must(TryCreate(pod_, ContainerConfig("c", {"top"}), sandbox_));
    KillAndRestart(Cat("create_container.", undo, ".undo=kill"));
    EXPECT_FALSE(TryRemove(id).ok());
    ASSERT_THAT(daemon().WaitUntilDead(std::chrono::seconds(10)), IsOk());
    ASSERT_THAT(daemon().Start(), IsOk());
    EXPECT_THAT(TryRemove(id), IsOk());
    EXPECT_TRUE(Eventually([&] { return IdsInUse() == 0; }));
  }
}

// No limit, few ids.
class QuotaIdsTest : public QuotaTest {
 protected:
  std::string MoreConfig() const override {
    return "writable_layer:\n  project_ids: 2\n  inode_limit: 50\n";
  }
};

TEST_P(QuotaIdsTest, TheRangeIsEmptyAndFillsAgain) {
  const std::string first = Start("first");
  const std::string second = Start("second");
  const auto third = TryCreate(pod_, ContainerConfig("third", {"top"}), sandbox_);
  EXPECT_THAT(third, HasCode(Code::kResourceExhausted));
  EXPECT_THAT(third.status().message(), HasSubstr("2000000000 to 2000000001"));
  ASSERT_THAT(TryStop(second, 0), IsOk());
  ASSERT_THAT(TryRemove(second), IsOk());
  // xfs frees inodes, and so what they count, some time after their removal.
  EXPECT_TRUE(Eventually(
      [&] { return TryCreate(pod_, ContainerConfig("third", {"top"}), sandbox_).ok(); }));
  const auto many =
      Must(TryExec(first, {"sh", "-c", "for i in $(seq 100); do : >/f$i || exit 1; done"}));
  EXPECT_NE(many.exit_code(), 0) << "the limit of inodes";
  EXPECT_LE(UsageOf(first).inodes_used().value(), 50u);
}

TEST_P(QuotaIdsTest, AnIdThatSomebodyElseUsesIsLeftAlone) {
  const std::string theirs = Cat(root_, "/theirs");
  ASSERT_THAT(EnsureDirectory(theirs), IsOk());
  ASSERT_THAT(SetProjectId(theirs, kFirstId), IsOk());
  // A limit alone is a left one of an earlier life of the id.
  const uint32_t left = kFirstId + 1;
  ASSERT_THAT(quota_->SetLimit(left, {kMiB, 3}), IsOk());
  EXPECT_EQ(IdOf(Start("c")), left);
  EXPECT_EQ(Must(quota_->Get(left)).limit.bytes, 0u);
  EXPECT_EQ(Must(quota_->Get(left)).limit.inodes, 50u);
  EXPECT_EQ(Must(quota_->Get(kFirstId)).inodes, 1u);
  ASSERT_THAT(RemoveTreeAt(theirs), IsOk());
}

class QuotaOneIdTest : public QuotaTest {
 protected:
  std::string MoreConfig() const override { return "writable_layer:\n  project_ids: 1\n"; }
};

TEST_P(QuotaOneIdTest, WithoutALimitNobodyNeedsAnId) {
  const std::string first = Start("first");
  const std::string second = Start("second");
  EXPECT_EQ(IdOf(first), kFirstId);
  EXPECT_EQ(IdOf(second), 0u);
  EXPECT_EQ(Write(second, "/file", 5), "");
  EXPECT_GE(BytesOf(second), 5 * kMiB) << "found by walking";
}

// ext4 always counts where it has the feature; limits hold by the mount option only.
class QuotaCountedOnlyTest : public QuotaTest {
 protected:
  std::string MoreConfig() const override { return ""; }
  std::string MountOptions() const override { return "loop"; }
};

// The configuration has no limit yet.
Status RestartWithALimit(TestDaemon* daemon, const std::string& config) {
  CRISP_RETURN_IF_ERROR(
      WriteFile(daemon->config_file(), Cat(config, "writable_layer:\n  size_limit: 1MiB\n")));
  daemon->Kill();
  return daemon->Start();
}

TEST_P(QuotaCountedOnlyTest, UsageIsThereAndALimitIsRefused) {
  const std::string id = Start("c");
  EXPECT_EQ(Write(id, "/file", 20), "");
  EXPECT_GE(BytesOf(id), 20 * kMiB);
  const std::string config = Must(ReadFile(daemon().config_file()));
  const Status started = RestartWithALimit(&daemon(), config);
  EXPECT_THAT(started.message(), HasSubstr("mount it with"));
  ASSERT_THAT(WriteFile(daemon().config_file(), config), IsOk());
  ASSERT_THAT(daemon().Start(), IsOk());
}

std::string ParameterName(const testing::TestParamInfo<std::string>& info) { return info.param; }
INSTANTIATE_TEST_SUITE_P(Runtimes, QuotaTest,
                         testing::Values("ext4_crun", "ext4_runc", "xfs_crun", "xfs_runc"),
                         ParameterName);
INSTANTIATE_TEST_SUITE_P(Runtimes, QuotaIdsTest, testing::Values("ext4_crun", "xfs_crun"),
                         ParameterName);
INSTANTIATE_TEST_SUITE_P(Runtimes, QuotaOneIdTest, testing::Values("ext4_crun", "xfs_crun"),
                         ParameterName);
INSTANTIATE_TEST_SUITE_P(Runtimes, QuotaCountedOnlyTest, testing::Values("ext4_crun"),
                         ParameterName);

// On any machine: /run is a tmpfs here.
class NoQuotaTest : public PodTest {};

TEST_P(NoQuotaTest, SaidOnceAndALimitIsRefused) {
  EXPECT_THAT(Must(ReadFile(daemon().Path("crispd.log"))),
              HasSubstr("writable layers have no project quotas"));
  const std::string config = Must(ReadFile(daemon().config_file()));
  const Status started = RestartWithALimit(&daemon(), config);
  EXPECT_THAT(started.message(), HasSubstr("writable_layer: no limit is possible"));
  EXPECT_THAT(started.message(), HasSubstr("configure no limit"));
  const RunOutput checked = Must(daemon().Crisp({"config", "check"}));
  EXPECT_FALSE(checked.status.success());
  EXPECT_THAT(checked.stdout_data, HasSubstr("wrong  writable_layer: no limit is possible"));
  ASSERT_THAT(WriteFile(daemon().config_file(), config), IsOk());
  ASSERT_THAT(daemon().Start(), IsOk());
  // The failed start took the default cgroup parent along; this makes it again.
  EXPECT_EQ(RunToEnd(SandboxConfig("pod"), ShellConfig("c", "echo up")), "up\n");
}
INSTANTIATE_TEST_SUITE_P(Runtimes, NoQuotaTest, testing::Values("crun"), ParameterName);

}  // namespace
}  // namespace crisp::test
