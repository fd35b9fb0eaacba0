// The store without a puller: publishing, names, removal, restart. Needs no root.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <thread>

#include "base/core/file.h"
#include "base/database.h"
#include "base/failpoint.h"
#include "image/image_store.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

namespace fs = std::filesystem;

std::string HexOf(char digit) { return std::string(64, digit); }
std::string Sha(char digit) { return "sha256:" + HexOf(digit); }

// The database beside the store, its schema taken as it is.
Result<std::unique_ptr<Database>> OpenRaw(const std::string& path) {
  constexpr std::array<std::string_view, 2> kKnown = {"", ""};
  return Database::Open(path, Durability::kFull, kKnown);
}

class Store : public testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen(const std::string& boot_id = "boot-1", bool allow = true) {
    store_.reset();
    StoreOptions options;
    options.root = dir_ / "store";
    options.telemetry = &telemetry_;
    options.boot_id = boot_id;
    options.pinned = PinnedImages(std::vector<std::string>{"docker.io/library/pinned:latest"});
    auto store = ImageStore::Open(options);
    ASSERT_TRUE(store.ok()) << store.status().message();
    store_ = std::move(store).value();
    if (allow) store_->AllowDeletion();
  }
  LayerPtr AddLayer(char digit) {
    const std::string made = dir_ / (std::string("made-") + digit);
    EXPECT_TRUE(EnsureDirectory(made).ok());
    EXPECT_TRUE(WriteFile(made + "/file", "x").ok());
    Layer layer;
    layer.key = FreeLayerKey(Sha(digit));
    layer.diff_id = Sha(digit);
    layer.size_bytes = 8192;
    layer.inodes = 2;
    auto added = store_->AddLayer(layer, made);
    EXPECT_TRUE(added.ok()) << added.status().message();
    (void)RemoveTreeAt(made);
    return *added;
  }
  NewImage MakeImage(char id, const std::string& layers, const std::string& tag,
                     const std::string& digest = {}) {
    NewImage image;
    image.report.id = Sha(id);
    image.report.content_bytes = 100;
    image.report.config.user = "7";
    image.source_dir = dir_ / (std::string("image-") + id);
    EXPECT_TRUE(EnsureDirectory(image.source_dir).ok());
    EXPECT_TRUE(WriteFile(image.source_dir + "/config.json", "{}").ok());
    for (char digit : layers) image.layers.push_back(AddLayer(digit));
    if (!tag.empty()) image.names.push_back({tag, image.report.id, false});
    if (!digest.empty()) image.names.push_back({digest, image.report.id, true});
    return image;
  }
  void Publish(char id, const std::string& layers, const std::string& tag,
               const std::string& digest = {}) {
    ASSERT_TRUE(store_->PublishImages({MakeImage(id, layers, tag, digest)}).ok());
    // The pull's own hold is gone by now.
  }
  std::set<std::string> LayerDirs() {
    store_->FinishBackgroundWork();
    std::set<std::string> out;
    for (const auto& entry : fs::directory_iterator(dir_ / "store/layers")) {
      const std::string name = entry.path().filename();
      if (name != "tmp" && name != "empty") out.insert(name.substr(0, 1));
    }
    EXPECT_TRUE(fs::is_empty(dir_ / "store/layers/tmp"));
    return out;
  }
  size_t ImageDirs() {
    return static_cast<size_t>(std::distance(fs::directory_iterator(dir_ / "store/images"), {}));
  }
  ImagePtr Find(const std::string& reference) {
    const auto found = store_->Find(reference);
    EXPECT_TRUE(found.ok()) << found.status().message();
    return found.ok() ? *found : nullptr;
  }

  const std::string tag_ = "docker.io/library/app:latest";
  const std::string digest_ = "docker.io/library/app@" + Sha('e');
  TempDir dir_;
  Telemetry telemetry_;
  std::unique_ptr<ImageStore> store_;
};

TEST_F(Store, FindsByEverythingThatNamesAnImage) {
  Publish('a', "1", tag_, digest_);
  for (const std::string& reference :
       {Sha('a'), HexOf('a'), std::string("sha256:aaa"), std::string("aaaaaaaaaaaaa"),
        std::string("app"), std::string("app:latest"), std::string("docker.io/app"), tag_, digest_,
        "app@" + Sha('e'), "app:other@" + Sha('e')}) {
    const ImagePtr image = Find(reference);
    ASSERT_NE(image, nullptr) << reference;
    EXPECT_EQ(image->id, Sha('a'));
  }
  EXPECT_EQ(Find("app:other"), nullptr);
  EXPECT_EQ(Find(Sha('0')), nullptr);
  EXPECT_EQ(store_->Find("App Name").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->Find("sha256:XYZ").status().code(), Code::kInvalidArgument);
}

TEST_F(Store, AmbiguousPrefixIsAnError) {
  Publish('a', "1", tag_);
  NewImage other = MakeImage('b', "1", "");
  other.report.id = "sha256:aaaa" + std::string(60, 'b');
  ASSERT_TRUE(store_->PublishImages({other}).ok());
  EXPECT_EQ(store_->Find("aaa").status().code(), Code::kFailedPrecondition);
  ASSERT_NE(Find("aaaab"), nullptr);
}

TEST_F(Store, ShowsWhatTheContractAsksFor) {
  Publish('a', "12", tag_, digest_);
  ASSERT_TRUE(store_->PublishImages({MakeImage('a', "12", "docker.io/library/app:1", "")}).ok());
  const ImagePtr image = Find("app");
  EXPECT_EQ(image->repo_tags, (std::vector<std::string>{"docker.io/library/app:1", tag_}));
  EXPECT_EQ(image->repo_digests, std::vector<std::string>{digest_});
  EXPECT_EQ(image->diff_ids, (std::vector<std::string>{Sha('1'), Sha('2')}));
  EXPECT_EQ(image->size_bytes, 2 * 8192 + 100);
  EXPECT_EQ(image->config.user, "7");
  EXPECT_FALSE(image->pinned);
  EXPECT_EQ(store_->List().size(), 1u);
  EXPECT_EQ(store_->GetFsInfo().used_bytes, 2u * 8192 + 100 + 4096);
  EXPECT_EQ(store_->GetFsInfo().inodes_used, 2u * 3 + 3);
  EXPECT_TRUE(fs::is_directory(store_->GetFsInfo().mountpoint));
}

TEST_F(Store, PinsByExactName) {
  Publish('a', "1", "docker.io/library/pinned:latest");
  EXPECT_TRUE(Find("pinned")->pinned);
  store_->SetPinned({});
  EXPECT_FALSE(Find("pinned")->pinned);
}

TEST_F(Store, MovedTagLeavesTheOldImageItsDigest) {
  Publish('a', "1", tag_, digest_);
  Publish('b', "2", tag_, "docker.io/library/app@" + Sha('f'));
  EXPECT_EQ(Find("app")->id, Sha('b'));
  const ImagePtr old = Find(Sha('a'));
  EXPECT_TRUE(old->repo_tags.empty());
  EXPECT_EQ(old->repo_digests, std::vector<std::string>{digest_});
  Reopen();
  EXPECT_EQ(Find("app")->id, Sha('b'));
  EXPECT_TRUE(Find(Sha('a'))->repo_tags.empty());
}

TEST_F(Store, RemoveTakesAllTagsAndUnsharedLayers) {
  Publish('a', "12", tag_, digest_);
  ASSERT_TRUE(store_->PublishImages({MakeImage('a', "12", "quay.io/app:1", "")}).ok());
  Publish('b', "13", "docker.io/library/b:latest");
  EXPECT_EQ(LayerDirs(), (std::set<std::string>{"1", "2", "3"}));
  ASSERT_TRUE(store_->Remove("quay.io/app:1").ok());
  EXPECT_EQ(Find("app"), nullptr);
  EXPECT_EQ(Find(Sha('a')), nullptr);
  EXPECT_EQ(LayerDirs(), (std::set<std::string>{"1", "3"}));
  EXPECT_EQ(ImageDirs(), 1u);
  ASSERT_TRUE(store_->Remove(Sha('a')).ok());  // missing is fine
  ASSERT_TRUE(store_->Remove(Sha('0')).ok());
  EXPECT_EQ(store_->Remove("No Reference").code(), Code::kInvalidArgument);
  ASSERT_TRUE(store_->Remove("b").ok());
  EXPECT_TRUE(LayerDirs().empty());
  EXPECT_EQ(store_->GetFsInfo().used_bytes, 0u);
}

TEST_F(Store, LeaseKeepsLayersOfARemovedImage) {
  Publish('a', "1", tag_);
  auto lease = store_->Acquire(Sha('a'));
  ASSERT_TRUE(lease.ok());
  ASSERT_TRUE(store_->Remove("app").ok());
  EXPECT_TRUE(store_->List().empty());
  EXPECT_EQ(store_->Acquire(Sha('a')).status().code(), Code::kNotFound);
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
  EXPECT_EQ((*lease)->image()->id, Sha('a'));
  lease = Internal("released");
  EXPECT_TRUE(LayerDirs().empty());
  EXPECT_EQ(ImageDirs(), 0u);
}

TEST_F(Store, RecoveryLeasesRemovedImagesBeforeTheFirstCollection) {
  Publish('a', "1", tag_);
  {
    const auto lease = store_->Acquire(Sha('a'));
    ASSERT_TRUE(store_->Remove("app").ok());
    // The daemon dies here: its leases end without a collection.
    failpoint::Arm("image.collect.rows=error").ok();
    Reopen("boot-1", false);
    failpoint::DisarmAll();
  }
  EXPECT_TRUE(store_->List().empty());
  auto lease = store_->Acquire(Sha('a'));
  ASSERT_TRUE(lease.ok()) << lease.status().message();
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
  store_->AllowDeletion();
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
  lease = Internal("released");
  EXPECT_TRUE(LayerDirs().empty());
}

TEST_F(Store, NothingIsDeletedBeforeTheFirstCollection) {
  Reopen("boot-1", false);
  Publish('a', "1", tag_);
  ASSERT_TRUE(store_->Remove("app").ok());
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
  store_->AllowDeletion();
  EXPECT_TRUE(LayerDirs().empty());
}

TEST_F(Store, PulledAgainAfterRemovalWhileLeased) {
  Publish('a', "1", tag_);
  auto lease = store_->Acquire(Sha('a'));
  ASSERT_TRUE(store_->Remove("app").ok());
  Publish('a', "1", tag_);
  lease = Internal("released");
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
  EXPECT_NE(Find("app"), nullptr);
}

TEST_F(Store, LayersOfAFailedPullGo) {
  {
    const NewImage image = MakeImage('a', "12", tag_);
    ASSERT_TRUE(failpoint::Arm("image.publish.before=error").ok());
    EXPECT_FALSE(store_->PublishImages({image}).ok());
    failpoint::DisarmAll();
  }
  EXPECT_TRUE(store_->List().empty());
  store_->Collect();
  EXPECT_TRUE(LayerDirs().empty());
  EXPECT_EQ(ImageDirs(), 0u);
}

TEST_F(Store, ALayerThatCannotBePublishedLeavesNothing) {
  const std::string made = dir_ / "made";
  ASSERT_TRUE(EnsureDirectory(made).ok());
  Layer layer;
  layer.key = FreeLayerKey(Sha('1'));
  layer.diff_id = Sha('1');
  ASSERT_TRUE(failpoint::Arm("image.layer.publish.before=error:on purpose").ok());
  const auto added = store_->AddLayer(layer, made);
  failpoint::DisarmAll();
  EXPECT_EQ(added.status().code(), Code::kInternal);
  EXPECT_EQ(store_->FindLayer(Sha('1'), Sha('1')), nullptr);
  EXPECT_TRUE(LayerDirs().empty());
  Publish('a', "1", tag_);  // the next pull of it
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
}

TEST_F(Store, AFailedRemovalChangesNothing) {
  Publish('a', "1", tag_, digest_);
  ASSERT_TRUE(failpoint::Arm("image.remove.before=error:on purpose").ok());
  const Status removed = store_->Remove(tag_);
  failpoint::DisarmAll();
  EXPECT_EQ(removed.code(), Code::kInternal);
  EXPECT_NE(removed.message().find("on purpose"), std::string::npos);
  ASSERT_NE(Find(tag_), nullptr);
  EXPECT_EQ(Find(tag_)->repo_digests, std::vector<std::string>{digest_});
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
  ASSERT_TRUE(store_->Remove(tag_).ok());
  EXPECT_EQ(Find(tag_), nullptr);
  EXPECT_TRUE(LayerDirs().empty());
}

TEST_F(Store, SurvivesARestart) {
  Publish('a', "12", tag_, digest_);
  Reopen();
  const ImagePtr image = Find(digest_);
  ASSERT_NE(image, nullptr);
  EXPECT_EQ(image->repo_tags, std::vector<std::string>{tag_});
  EXPECT_EQ(image->diff_ids.size(), 2u);
  EXPECT_EQ(image->config.user, "7");
  EXPECT_EQ(LayerDirs(), (std::set<std::string>{"1", "2"}));
}

TEST_F(Store, LayersArePreparedBeforeAnythingIsInThere) {
  StoreOptions options;
  options.root = dir_ / "fresh";
  options.telemetry = &telemetry_;
  options.boot_id = "boot-1";
  bool empty = false;
  options.prepare_layers = [&](const std::string& layers) {
    empty = layers == dir_ / "fresh/layers" && fs::is_empty(layers);
    return OkStatus();
  };
  ASSERT_TRUE(ImageStore::Open(options).ok());
  EXPECT_TRUE(empty);
  options.prepare_layers = [](const std::string&) { return InvalidArgument("no such label"); };
  EXPECT_EQ(ImageStore::Open(options).status().message(), "no such label");
}

TEST_F(Store, OpenRemovesWhatHasNoRow) {
  Publish('a', "1", tag_);
  store_.reset();
  for (const char* stranger : {"layers/7777", "layers/tmp/pull-1/layer0-0/fs", "images/9999"}) {
    ASSERT_TRUE(EnsureDirectory(dir_ / "store/" + stranger).ok());
  }
  Reopen();
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
  EXPECT_EQ(ImageDirs(), 1u);
}

TEST_F(Store, ImagesThatMissSomethingGoWithTheFirstCollection) {
  Publish('a', "12", tag_);
  Publish('b', "1", "docker.io/library/b:latest");
  Publish('c', "3", "docker.io/library/c:latest");
  store_.reset();
  ASSERT_TRUE(RemoveTreeAt(dir_ / ("store/layers/" + HexOf('2'))).ok());
  ASSERT_TRUE(RemoveTreeAt(dir_ / ("store/images/" + HexOf('c'))).ok());
  Reopen("boot-1", false);
  EXPECT_EQ(Find("app"), nullptr);
  EXPECT_EQ(Find("c"), nullptr);
  EXPECT_EQ(LayerDirs(), (std::set<std::string>{"1", "3"}));
  store_->AllowDeletion();
  EXPECT_NE(Find("b"), nullptr);
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
  EXPECT_EQ(store_->Acquire(Sha('a')).status().code(), Code::kNotFound);
  Publish('a', "12", tag_);  // and it can be pulled again
  EXPECT_NE(Find("app"), nullptr);
  Reopen();
  EXPECT_EQ(store_->List().size(), 2u);
}

// The daemon was killed while it replaced a layer, and somebody has cleaned up among the images.
TEST_F(Store, WhatRunsKeepsWhatIsLeftOfItsImage) {
  Publish('a', "12", tag_);
  Publish('c', "3", "docker.io/library/c:latest");
  ASSERT_TRUE(*store_->Quarantine(FreeLayerKey(Sha('2')), 0));
  store_.reset();
  const std::string layers = dir_ / "store/layers/";
  fs::rename(layers + HexOf('2'), layers + "q-boot-1-77");
  ASSERT_TRUE(RemoveTreeAt(dir_ / ("store/images/" + HexOf('c'))).ok());
  LeasePtr app;
  LeasePtr other;
  for (int restarts = 0; restarts < 2; ++restarts) {
    Reopen("boot-1", false);
    const auto held = store_->Acquire(Sha('a'));
    ASSERT_TRUE(held.ok()) << held.status().message();
    const auto held_too = store_->Acquire(Sha('c'));
    ASSERT_TRUE(held_too.ok()) << held_too.status().message();
    store_->AllowDeletion();
    app = *held;
    other = *held_too;
    EXPECT_EQ(LayerDirs(), (std::set<std::string>{"1", "3", "q"}));
    EXPECT_TRUE(store_->List().empty());
    EXPECT_EQ(store_->Acquire(Sha('a')).status().code(), Code::kFailedPrecondition);
    EXPECT_EQ(store_->Acquire(Sha('c')).status().code(), Code::kFailedPrecondition);
    EXPECT_EQ(store_->FindLayer(Sha('2'), Sha('2')), nullptr);  // a pull fetches it
  }
  Publish('a', "12", tag_);
  Publish('c', "3", "docker.io/library/c:latest");
  EXPECT_EQ(store_->List().size(), 2u);
  app.reset();
  other.reset();
  store_->Collect();
  EXPECT_EQ(LayerDirs(), (std::set<std::string>{"1", "2", "3", "q"}));
  Reopen("boot-2");
  EXPECT_EQ(store_->List().size(), 2u);
  EXPECT_EQ(LayerDirs(), (std::set<std::string>{"1", "2", "3"}));
}

// Its row says durable, of the one that was lost.
TEST_F(Store, APowerCutInTheRepairOfALostLayerLeavesNoHalfOne) {
  Publish('a', "12", tag_);
  store_->FinishBackgroundWork();
  store_.reset();
  const std::string lost = dir_ / ("store/layers/" + HexOf('2'));
  ASSERT_TRUE(RemoveTreeAt(lost).ok());
  Reopen("boot-1", false);
  Layer layer;
  layer.key = FreeLayerKey(Sha('2'));
  ASSERT_FALSE(store_->AddLayer(layer, dir_ / "none/fs").ok());
  store_.reset();
  ASSERT_TRUE(EnsureDirectory(lost).ok());  // as if the power had gone right behind the move
  Reopen("boot-2");
  EXPECT_EQ(Find("app"), nullptr);
  Publish('a', "12", tag_);
  EXPECT_TRUE(PathExists(lost + "/file"));
  EXPECT_NE(Find("app"), nullptr);
}

TEST_F(Store, WhatCannotBeCollectedIsTriedAgain) {
  Publish('a', "12", tag_);
  Publish('b', "2", "docker.io/library/b:latest");
  const FsInfo before = store_->GetFsInfo();
  ASSERT_TRUE(failpoint::Arm("image.collect.rows=error:disk full").ok());
  ASSERT_TRUE(store_->Remove("app").ok());
  EXPECT_EQ(Find("app"), nullptr);
  EXPECT_EQ(store_->GetFsInfo().used_bytes, before.used_bytes);
  EXPECT_EQ(store_->GetFsInfo().inodes_used, before.inodes_used);
  EXPECT_EQ(LayerDirs(), (std::set<std::string>{"1", "2"}));
  failpoint::DisarmAll();
  store_->Collect();
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"2"});
  EXPECT_EQ(ImageDirs(), 1u);
  EXPECT_LT(store_->GetFsInfo().used_bytes, before.used_bytes);
  Reopen();
  EXPECT_NE(Find("b"), nullptr);
  EXPECT_EQ(store_->List().size(), 1u);
}

// Between the two, a pull brings it back.
TEST_F(Store, WhatCouldNotBeCollectedCanBePulledAgain) {
  Publish('a', "1", tag_);
  ASSERT_TRUE(failpoint::Arm("image.collect.rows=error:disk full").ok());
  ASSERT_TRUE(store_->Remove("app").ok());
  failpoint::DisarmAll();
  Publish('a', "1", tag_);
  store_->Collect();
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
  ASSERT_NE(Find("app"), nullptr);
  EXPECT_EQ(Find("app")->repo_tags, std::vector<std::string>{tag_});
}

TEST_F(Store, PowerCutDropsWhatWasNotDurable) {
  Publish('a', "1", tag_);
  store_->FinishBackgroundWork();  // syncfs has come after it
  Publish('b', "2", "docker.io/library/b:latest");
  store_->FinishBackgroundWork();
  store_.reset();
  auto db = OpenRaw(dir_ / "store/images.db");
  ASSERT_TRUE(db.ok());
  ASSERT_TRUE((*db)->Execute("UPDATE layers SET durable = 0 WHERE key LIKE '2%'").ok());
  db = Internal("closed");
  Reopen("boot-1");  // the same boot: only the daemon died
  EXPECT_NE(Find("b"), nullptr);
  store_.reset();
  db = OpenRaw(dir_ / "store/images.db");
  ASSERT_TRUE((*db)->Execute("UPDATE layers SET durable = 0 WHERE key LIKE '2%'").ok());
  db = Internal("closed");
  Reopen("boot-2");
  EXPECT_EQ(Find("b"), nullptr);
  EXPECT_NE(Find("app"), nullptr);
  EXPECT_EQ(LayerDirs(), std::set<std::string>{"1"});
}

TEST_F(Store, RefusesANewerSchema) {
  store_.reset();
  auto db = OpenRaw(dir_ / "store/images.db");
  ASSERT_TRUE(db.ok() && (*db)->Configure("PRAGMA user_version = 99").ok());
  db = Internal("closed");
  StoreOptions options;
  options.root = dir_ / "store";
  options.telemetry = &telemetry_;
  EXPECT_EQ(ImageStore::Open(options).status().code(), Code::kFailedPrecondition);
}

TEST_F(Store, ManyRemovalsAtOnce) {
  Publish('a', "1", tag_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&] {
      EXPECT_TRUE(store_->Remove(Sha('a')).ok());
      EXPECT_EQ(Find(Sha('a')), nullptr);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(LayerDirs().empty());
}

TEST_F(Store, SameLayerAddedTwiceIsOne) {
  const LayerPtr first = AddLayer('1');
  EXPECT_EQ(AddLayer('1'), first);
}

// The config is the same, and with it the image's id; the layers have other names (ENCRYPTION.md).
TEST_F(Store, EncryptedAnewItGetsTheNewLayersUnlessAContainerHasTheOld) {
  const auto publish = [&](const std::string& layers) {
    NewImage image = MakeImage('a', layers, tag_);
    image.chain_id = "chain of " + layers;
    ASSERT_TRUE(store_->PublishImages({image}).ok());
  };
  const auto expect = [&](char one, char two) {
    store_->Collect();
    EXPECT_EQ(LayerDirs(), (std::set<std::string>{std::string(1, one), std::string(1, two)}));
    EXPECT_EQ(Find("app")->diff_ids, (std::vector<std::string>{Sha(one), Sha(two)}));
    EXPECT_EQ(Find("app")->chain_id, Cat("chain of ", one, two));
  };
  publish("12");
  publish("34");
  expect('3', '4');
  Reopen();
  expect('3', '4');
  auto lease = store_->Acquire(Sha('a'));
  publish("56");
  expect('3', '4');
  lease = Internal("the daemon dies, the container runs on");
  Reopen("boot-1", false);
  publish("56");  // nobody has acquired it yet, but somebody may
  lease = store_->Acquire(Sha('a'));
  store_->AllowDeletion();
  expect('3', '4');
  lease = Internal("released");
  publish("56");
  expect('5', '6');
  Reopen();
  expect('5', '6');
}

TEST_F(Store, HiddenImagesCanBeRemoved) {
  Publish('a', "12", tag_);
  Publish('b', "3", "docker.io/library/b:latest");
  ASSERT_TRUE(*store_->Quarantine(FreeLayerKey(Sha('1')), 0));
  ASSERT_TRUE(*store_->QuarantineImage(Sha('b'), store_->Checkables().at(Sha('b')).generation));
  EXPECT_EQ(Find("app"), nullptr);
  EXPECT_EQ(Find("b"), nullptr);
  EXPECT_NE(*store_->Find("b", /*hidden_too=*/true), nullptr);
  ASSERT_TRUE(store_->Remove("app").ok());
  ASSERT_TRUE(store_->Remove(Sha('b')).ok());
  EXPECT_TRUE(LayerDirs().empty());
  EXPECT_EQ(ImageDirs(), 0u);
}

TEST_F(Store, AVerdictOnWhatWasReplacedMeanwhileIsNone) {
  const std::string key = FreeLayerKey(Sha('1'));
  Publish('a', "1", tag_);
  auto before = store_->Checkables();
  ASSERT_EQ(before.size(), 2u);
  ASSERT_TRUE(*store_->Quarantine(key, before.at(key).generation));
  Publish('a', "1", tag_);  // a pull repairs it
  EXPECT_NE(Find("app"), nullptr);
  EXPECT_FALSE(*store_->Quarantine(key, before.at(key).generation));
  EXPECT_FALSE(*store_->Quarantine("gone", 0));
  EXPECT_NE(Find("app"), nullptr);
  ASSERT_TRUE(store_->Remove("app").ok());
  EXPECT_FALSE(*store_->QuarantineImage(Sha('a'), before.at(Sha('a')).generation));
  Publish('a', "1", tag_);
  EXPECT_FALSE(*store_->QuarantineImage(Sha('a'), before.at(Sha('a')).generation));
  EXPECT_NE(Find("app"), nullptr);
  before = store_->Checkables();
  ASSERT_TRUE(*store_->QuarantineImage(Sha('a'), before.at(Sha('a')).generation));
  Publish('a', "1", tag_);
  EXPECT_FALSE(*store_->QuarantineImage(Sha('a'), before.at(Sha('a')).generation));
  EXPECT_NE(Find("app"), nullptr);
}

TEST_F(Store, StrangersGoOrSayWhyNotAndLostAndFoundIsNone) {
  const std::string root = dir_ / "store/";
  for (const char* name : {"layers/lost+found", "images/lost+found", "records/lost+found",
                           "layers/tmp/lost+found", "layers/77", "images/99/x"}) {
    ASSERT_TRUE(EnsureDirectory(root + name).ok());
  }
  ASSERT_EQ(::rename((root + "layers/tmp").c_str(), (root + "away").c_str()), 0);
  ASSERT_TRUE(WriteFile(root + "layers/tmp", "").ok());
  const auto stuck = store_->FindStrangers(true);
  ASSERT_TRUE(stuck.ok() && stuck->size() == 2) << stuck.status().message();
  for (const Stranger& stranger : *stuck) {
    EXPECT_FALSE(stranger.removed) << stranger.path;
    EXPECT_FALSE(stranger.removal_error.empty()) << stranger.path;
  }
  fs::remove(root + "layers/tmp");
  ASSERT_EQ(::rename((root + "away").c_str(), (root + "layers/tmp").c_str()), 0);
  const auto gone = store_->FindStrangers(true);
  ASSERT_TRUE(gone.ok() && gone->size() == 2);
  EXPECT_EQ(gone->at(0).path, "layers/77");
  EXPECT_EQ(gone->at(1).path, "images/99");
  EXPECT_TRUE(gone->at(0).removed && gone->at(1).removed);
  EXPECT_TRUE(store_->FindStrangers(true)->empty());
  Reopen();
  store_->FinishBackgroundWork();
  for (const char* name :
       {"layers/lost+found", "images/lost+found", "records/lost+found", "layers/tmp/lost+found"}) {
    EXPECT_TRUE(fs::exists(root + name)) << name;
  }
}

TEST(LowerNames, TopmostFirstOnceAndUpToAnOpaqueRoot) {
  const auto layer = [](const std::string& key, bool opaque = false) {
    auto out = std::make_shared<Layer>();
    out->key = key;
    out->opaque_root = opaque;
    return out;
  };
  EXPECT_EQ(LowerNames({layer("a"), layer("b"), layer("a"), layer("c")}),
            (std::vector<std::string>{"c", "a", "b"}));
  EXPECT_EQ(LowerNames({layer("a"), layer("b", true), layer("c")}),
            (std::vector<std::string>{"c", "b"}));
  EXPECT_TRUE(LowerNames({}).empty());
}

}  // namespace
}  // namespace crisp::image
