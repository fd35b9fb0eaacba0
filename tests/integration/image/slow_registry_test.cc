// Registries that do not answer, and who pulls from others meanwhile.
#include <thread>

#include "image_fixture.h"

namespace crisp::image {
namespace {

class SlowRegistryTest : public ImageFixture {
 protected:
  void SetUp() override {
    ImageFixture::SetUp();
    if (IsSkipped()) return;
    options_.parallel_pulls = 2;
    options_.transfers = 2;
    OpenService();
  }
  void TearDown() override {
    StopPulls();
    ImageFixture::TearDown();
  }
  static MadeLayer LayerOf(const std::string& name) {
    return GzipLayer(TarBuilder().File(name, name).Build());
  }
  // What has one of `parts` in its address is never answered.
  void Silence(std::vector<std::string> parts) {
    slow_.SetHook([this, parts](const FakeRequest& request) -> std::optional<FakeResponse> {
      const bool silent = std::any_of(parts.begin(), parts.end(), [&](const std::string& part) {
        return request.target.find(part) != std::string::npos;
      });
      while (silent && !slow_.stopping()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      return std::nullopt;
    });
  }
  // A pull that lasts until StopPulls().
  void StartPull(const std::string& reference) {
    pulls_.emplace_back([this, reference] {
      const auto id = Pull(reference, {}, stop_.token());
      EXPECT_EQ(id.status().code(), Code::kCancelled) << id.status().message();
    });
  }
  void StopPulls() {
    stop_.Cancel();
    for (std::thread& pull : pulls_) pull.join();
    pulls_.clear();
  }
  void AwaitRequests(const std::string& part, size_t count) {
    for (int i = 0; i < 500 && slow_.CountRequests(part) < count; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ASSERT_GE(slow_.CountRequests(part), count);
  }

  FakeRegistry slow_;
  FakeRegistry fast_;
  CancelSource stop_;
  std::vector<std::thread> pulls_;
};

// More of them than may be at work at a time, some before the manifest and some behind it.
TEST_F(SlowRegistryTest, PullsThatHangKeepNobodyWaiting) {
  const MadeImage hung = MakeImage({LayerOf("a"), LayerOf("b")});
  Put(slow_, hung);
  Silence({"/v2/silent", "/blobs/" + Sha256(hung.layers[0].blob)});
  for (const char* name : {"/silent/1:v1", "/app:v1", "/silent/2:v1", "/app:v1", "/silent/3:v1"}) {
    StartPull(slow_.host() + name);
  }
  AwaitRequests("/manifests/", 2);
  Put(fast_, MakeImage({LayerOf("c")}));
  const MonoTime start = MonoNow();
  const auto id = Pull(fast_.host() + "/app:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_LT(MonoNow() - start, std::chrono::seconds(30));
  EXPECT_EQ(FileInImage(*id, "c"), "c");
  EXPECT_EQ(service().Pulls().size(), 5u);
  EXPECT_EQ(slow_.CountRequests(Sha256(hung.layers[0].blob)), 1u) << "still fetched once";
  StopPulls();
  EXPECT_TRUE(service().Pulls().empty());
  const StoreCounts alone = {1, 0, 1, 5};
  EXPECT_EQ(SettledCounts(alone), alone);
}

// The layer that both images have is taken over by who has another source; who has the same one
// goes on waiting, and is served, too.
TEST_F(SlowRegistryTest, ASharedLayerComesFromElsewhere) {
  const MadeLayer base = LayerOf("base");
  Put(slow_, MakeImage({base, LayerOf("one")}));
  Put(fast_, MakeImage({base, LayerOf("two")}));
  const std::string path = "/blobs/" + Sha256(base.blob);
  Silence({path});
  StartPull(slow_.host() + "/app:v1");
  AwaitRequests(path, 1);
  std::thread same([this] {
    const auto id = Pull(slow_.host() + "/app:v1");
    EXPECT_TRUE(id.ok()) << id.status().message();
  });
  const auto id = Pull(fast_.host() + "/app:v1");
  same.join();
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInImage(*id, "base"), "base");
  EXPECT_EQ(FileInImage(*id, "two"), "two");
  EXPECT_EQ(slow_.CountRequests(path), 1u);
  EXPECT_EQ(fast_.CountRequests(path), 1u);
}

TEST_F(SlowRegistryTest, WhoWaitsForItsTurnCanBeCancelled) {
  options_.parallel_pulls = 1;
  OpenService();
  Silence({"/v2/silent"});
  StartPull(slow_.host() + "/silent/1:v1");
  AwaitRequests("/v2/silent", 1);  // it is at work, and not slow yet
  const CancelSource late(MonoNow() + std::chrono::milliseconds(200));
  EXPECT_EQ(Pull(fast_.host() + "/app:v1", {}, late.token()).status().code(),
            Code::kDeadlineExceeded);
  EXPECT_TRUE(fast_.requests().empty());
  StopPulls();
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

}  // namespace
}  // namespace crisp::image
