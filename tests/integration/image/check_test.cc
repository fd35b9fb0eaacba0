// Verification of what is on disk: finding, quarantine, repair.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "image/layer.h"
#include "image_fixture.h"

namespace crisp::image {
namespace {

using testing::HasSubstr;

class CheckTest : public ImageFixture {
 protected:
  void SetUp() override {
    ImageFixture::SetUp();
    if (IsSkipped()) return;
    made_ =
        MakeImage({GzipLayer(TarBuilder().Dir("d").File("d/f", "one").Symlink("l", "d").Build()),
                   GzipLayer(TarBuilder().File("g", "two").File(".wh.l", "").Build())});
    Put(registry_, made_);
    name_ = registry_.host() + "/app:v1";
    ASSERT_TRUE(Pull(name_).ok());
  }
  std::string InLayer(size_t i, const std::string& path) const {
    return dir_ / ("store/layers/" + FreeLayerKey(Sha256(made_.layers[i].archive)) + "/" + path);
  }
  CheckReport Check(bool repair) {
    const auto report = service().Check(repair, {});
    EXPECT_TRUE(report.ok()) << report.status().message();
    return report.ok() ? *report : CheckReport();
  }
  // Checks, and expects one damaged layer with this difference.
  void Finds(const std::string& difference) {
    const CheckReport report = Check(false);
    ASSERT_EQ(report.damaged.size(), 1u) << difference;
    EXPECT_THAT(report.damaged[0].differences.at(0), HasSubstr(difference));
    EXPECT_THAT(report.damaged[0].images, testing::ElementsAre(name_));
    EXPECT_TRUE(service().List().empty());
    EXPECT_EQ(*service().Find(name_), nullptr);
    EXPECT_EQ(service().Acquire(made_.id()).status().code(), Code::kFailedPrecondition);
    ASSERT_TRUE(Pull(name_).ok());
    EXPECT_EQ(service().List().size(), 1u);
    EXPECT_EQ(FileInImage(made_.id(), "d/f"), "one");
    EXPECT_EQ(FileInImage(made_.id(), "g"), "two");
    EXPECT_TRUE(Check(false).damaged.empty());
  }

  FakeRegistry registry_;
  MadeImage made_;
  std::string name_;
};

TEST_F(CheckTest, FindsNothingInAGoodStore) {
  EXPECT_EQ(FileInImage(made_.id(), "d/f"), "one");  // a container runs and ends
  const CheckReport report = Check(false);
  EXPECT_EQ(report.layers_checked, 2u);
  EXPECT_EQ(report.layers_without_record, 0u);
  EXPECT_TRUE(report.damaged.empty());
  OpenService();
  EXPECT_TRUE(Check(true).damaged.empty());
}

TEST_F(CheckTest, FindsEveryKindOfChange) {
  ASSERT_TRUE(WriteFile(InLayer(0, "d/f"), "uno").ok());
  Finds("d/f: was f 0644");
  ASSERT_EQ(::unlink(InLayer(0, "d/f").c_str()), 0);
  Finds("d: was d 0755");
  ASSERT_EQ(::chmod(InLayer(1, "g").c_str(), 04755), 0);
  Finds("is f 4755");
  ASSERT_EQ(::chown(InLayer(1, "g").c_str(), 7, 8), 0);
  Finds("7:8");
  ASSERT_TRUE(WriteFile(InLayer(0, "d/new"), "").ok());
  Finds("d: was");
  ASSERT_TRUE(RemoveTreeAt(InLayer(0, ".").substr(0, InLayer(0, ".").size() - 2)).ok());
  Finds("the directory is missing");
}

// As a program that restores times would, or a disk that forgets.
TEST_F(CheckTest, FindsContentThatNothingElseTells) {
  const std::string file = InLayer(1, "g");
  struct stat before;
  ASSERT_EQ(::stat(file.c_str(), &before), 0);
  ASSERT_TRUE(WriteFile(file, "TWO").ok());
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  Finds("g: has another content");
}

// A tied layer's files were written through a view, with other inode numbers.
TEST_F(CheckTest, TiedLayersToo) {
  const MadeImage tied =
      MakeImage({GzipLayer(TarBuilder().Dir("d").File("d/f", "one").Build()),
                 GzipLayer(TarBuilder().File("first", "1").File("d/g", "two").Build())});
  Put(registry_, tied, "tied");
  ASSERT_TRUE(Pull(registry_.host() + "/app:tied").ok());
  EXPECT_TRUE(Check(false).damaged.empty());
  OpenService();
  EXPECT_TRUE(Check(false).damaged.empty());
  EXPECT_EQ(FileInImage(tied.id(), "d/g"), "two");
}

TEST_F(CheckTest, ImagesOwnFiles) {
  const std::string dir = dir_ / ("store/images/" + made_.id().substr(7));
  const auto damage = [&](const std::function<void()>& how, const std::string& says) {
    SCOPED_TRACE(says);
    how();
    const CheckReport report = Check(false);
    ASSERT_EQ(report.damaged_images.size(), 1u);
    EXPECT_EQ(report.damaged_images[0].id, made_.id());
    EXPECT_EQ(report.damaged_images[0].name, name_);
    EXPECT_THAT(report.damaged_images[0].difference, HasSubstr(says));
    EXPECT_TRUE(report.damaged.empty());
    for (int restarts = 0; restarts < 2; ++restarts, OpenService()) {
      EXPECT_TRUE(service().List().empty());
      EXPECT_EQ(*service().Find(name_), nullptr);
      EXPECT_EQ(service().Acquire(made_.id()).status().code(), Code::kFailedPrecondition);
    }
    const CheckReport repair = Check(true);
    ASSERT_EQ(repair.damaged_images.size(), 1u);
    EXPECT_TRUE(repair.damaged_images[0].repaired) << repair.damaged_images[0].repair_error;
    EXPECT_EQ((*service().Find(name_))->id, made_.id());
    EXPECT_EQ(*ReadFile(dir + "/config.json"), made_.config);
    const CheckReport clean = Check(false);
    EXPECT_TRUE(clean.damaged_images.empty());
    EXPECT_TRUE(clean.strangers.empty());
    EXPECT_EQ(clean.images_checked, 1u);
  };
  damage([&] { ASSERT_TRUE(WriteFile(dir + "/config.json", made_.config + " ").ok()); },
         "config.json: has the digest");
  damage([&] { ASSERT_EQ(::unlink((dir + "/config.json").c_str()), 0); }, "No such file");
  damage([&] { ASSERT_TRUE(RemoveTreeAt(dir).ok()); }, "No such file");
}

TEST_F(CheckTest, DamagedImagesDoNotHarmWhatRuns) {
  auto lease = service().Acquire(made_.id());
  ASSERT_TRUE(lease.ok());
  const std::string config = dir_ / ("store/images/" + made_.id().substr(7) + "/config.json");
  ASSERT_TRUE(WriteFile(config, "{}").ok());
  ASSERT_EQ(Check(false).damaged_images.size(), 1u);
  // A new daemon adopts its container before the first collection, and keeps the layers.
  lease->reset();
  service_.reset();
  auto reopened = ImageService::Open(options_);
  ASSERT_TRUE(reopened.ok());
  service_ = std::move(reopened).value();
  const auto adopted = service().Acquire(made_.id());
  ASSERT_TRUE(adopted.ok()) << adopted.status().message();
  service().CollectGarbage();
  EXPECT_EQ(*ReadFile(InLayer(1, "g")), "two");
  EXPECT_TRUE(service().List().empty());
}

TEST_F(CheckTest, DirectoriesWithoutARow) {
  const std::string layer = dir_ / ("store/layers/" + std::string(64, 'a'));
  const std::string image = dir_ / ("store/images/" + std::string(64, 'b'));
  ASSERT_TRUE(EnsureDirectory(layer + "/d").ok());
  ASSERT_TRUE(EnsureDirectory(image).ok());
  EXPECT_THAT(
      Check(false).strangers,
      testing::ElementsAre(testing::Field(&Stranger::path, "layers/" + std::string(64, 'a')),
                           testing::Field(&Stranger::path, "images/" + std::string(64, 'b'))));
  EXPECT_TRUE(PathExists(layer)) << "a check alone removes nothing";
  EXPECT_EQ(Check(true).strangers.size(), 2u);
  EXPECT_FALSE(PathExists(layer));
  EXPECT_FALSE(PathExists(image));
  EXPECT_TRUE(Check(false).strangers.empty());
  EXPECT_EQ(service().List().size(), 1u);
}

// The records are fifos that nobody writes to: the check stands there until it is cancelled.
TEST_F(CheckTest, WhatWasFoundBeforeItIsCancelledCounts) {
  ASSERT_TRUE(
      WriteFile(dir_ / ("store/images/" + made_.id().substr(7) + "/config.json"), "{}").ok());
  for (const MadeLayer& layer : made_.layers) {
    const std::string record = dir_ / ("store/records/" + FreeLayerKey(Sha256(layer.archive)));
    ASSERT_EQ(::unlink(record.c_str()), 0);
    ASSERT_EQ(::mkfifo(record.c_str(), 0600), 0);
  }
  CancelSource cancel;
  std::thread check(
      [&] { EXPECT_EQ(service().Check(true, cancel.token()).status().code(), Code::kCancelled); });
  for (int i = 0; i < 500 && !service().List().empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(service().List().empty());
  cancel.Cancel();
  check.join();
  EXPECT_TRUE(service().List().empty());
  ASSERT_TRUE(service().Remove(name_).ok());  // also while it is hidden
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

TEST_F(CheckTest, ShowsTheFirstOfManyDifferences) {
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(WriteFile(InLayer(0, "x" + std::to_string(i)), "").ok());
  }
  const CheckReport report = Check(false);
  ASSERT_EQ(report.damaged.size(), 1u);
  EXPECT_EQ(report.damaged[0].difference_count, 30u);
  EXPECT_EQ(report.damaged[0].differences.size(), 20u);
  EXPECT_EQ(report.damaged[0].differences[0], "x0: added");
}

TEST_F(CheckTest, QuarantineSurvivesARestart) {
  ASSERT_EQ(::unlink(InLayer(1, "g").c_str()), 0);
  ASSERT_EQ(Check(false).damaged.size(), 1u);
  OpenService();
  EXPECT_TRUE(service().List().empty());
  ASSERT_TRUE(Pull(name_).ok());
  OpenService();
  EXPECT_EQ(service().List().size(), 1u);
  EXPECT_EQ(FileInImage(made_.id(), "g"), "two");
}

TEST_F(CheckTest, RepairPullsByDigest) {
  Put(registry_, MakeImage({GzipLayer(TarBuilder().File("moved", "").Build())}));  // the tag moves
  ASSERT_EQ(::unlink(InLayer(1, "g").c_str()), 0);
  const CheckReport report = Check(true);
  ASSERT_EQ(report.damaged.size(), 1u);
  EXPECT_TRUE(report.damaged[0].repaired) << report.damaged[0].repair_error;
  EXPECT_EQ(FileInImage(made_.id(), "g"), "two");
  EXPECT_EQ((*service().Find(name_))->id, made_.id());  // names are as before
  registry_.SetHook([](const FakeRequest&) -> std::optional<FakeResponse> {
    FakeResponse out;
    out.status = 404;
    return out;
  });
  ASSERT_EQ(::unlink(InLayer(1, "g").c_str()), 0);
  const CheckReport gone = Check(true);
  ASSERT_EQ(gone.damaged.size(), 1u);
  EXPECT_FALSE(gone.damaged[0].repaired);
  EXPECT_THAT(gone.damaged[0].repair_error, HasSubstr("404"));
}

TEST_F(CheckTest, RunningContainersKeepWhatTheyHave) {
  const auto lease = service().Acquire(made_.id());
  ASSERT_TRUE(lease.ok());
  struct stat before;
  ASSERT_EQ(::stat(InLayer(0, "d").c_str(), &before), 0);
  ASSERT_TRUE(WriteFile(InLayer(0, "d/new"), "").ok());
  ASSERT_TRUE(Check(true).damaged.at(0).repaired);
  OpenService();  // of the same boot: what was replaced may still be mounted
  bool kept = false;
  for (const auto& entry : std::filesystem::directory_iterator(dir_ / "store/layers")) {
    struct stat info;
    if (::stat((entry.path() / "d").c_str(), &info) == 0) kept |= info.st_ino == before.st_ino;
  }
  EXPECT_TRUE(kept);
}

TEST_F(CheckTest, LayersWithoutARecordAreCounted) {
  const std::string key = FreeLayerKey(Sha256(made_.layers[0].archive));
  ASSERT_EQ(::unlink((dir_ / ("store/records/" + key)).c_str()), 0);
  const CheckReport report = Check(false);
  EXPECT_EQ(report.layers_checked, 1u);
  EXPECT_EQ(report.layers_without_record, 1u);
  EXPECT_TRUE(report.damaged.empty());
  const std::string other = FreeLayerKey(Sha256(made_.layers[1].archive));
  ASSERT_TRUE(WriteFile(dir_ / ("store/records/" + other), "not zstd").ok());
  EXPECT_EQ(Check(false).damaged.size(), 1u);
}

TEST_F(CheckTest, RecordsGoWithTheirLayers) {
  ASSERT_TRUE(service().Remove(name_).ok());
  EXPECT_EQ(service().Collect().layers, 0u);  // the removal has collected already
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "store/records"));
}

}  // namespace
}  // namespace crisp::image
