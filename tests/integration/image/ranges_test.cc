// Large layers over several connections: when, how many, and whatever a registry does about it.
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/core/file.h"
#include "image_fixture.h"
#include "sealed_layer.h"
#include "slow_streams.h"

namespace crisp::image {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// The content as ten files, "f0" and so on.
std::string Archive(const std::string& content) {
  TarBuilder out;
  for (size_t i = 0; i < 10; ++i) {
    out.File(Cat("f", i), content.substr(content.size() / 10 * i, content.size() / 10));
  }
  return out.Build();
}

class RangesTest : public ImageFixture {
 protected:
  void SetUp() override {
    ImageFixture::SetUp();
    if (IsSkipped()) return;
    options_.pull_stall_seconds = 5;
    OpenService();
    content_ = RandomBytes(kContentBytes, 1);
    made_ = MakeImage({PlainLayer(Archive(content_))});
    Put(registry_, made_);
  }
  const std::string& blob() const { return made_.layers[0].blob; }
  std::string Name() const { return registry_.host() + "/app:v1"; }
  void PullsRight() {
    const auto id = Pull(Name());
    ASSERT_TRUE(id.ok()) << id.status().message();
    ExpectContent(*id, content_);
  }
  void ExpectContent(const std::string& id, const std::string& content) {
    const size_t part = content.size() / 10;
    for (size_t i = 0; i < 10; ++i) {
      EXPECT_TRUE(FileInImage(id, Cat("f", i)) == content.substr(part * i, part)) << i;
    }
  }
  // The "Range" of all requests for the blob, in order.
  static std::vector<std::string> Ranges(const FakeRegistry& registry, const std::string& blob) {
    std::vector<std::string> out;
    const std::string path = "/blobs/" + Sha256(blob);
    for (const FakeRequest& request : registry.requests()) {
      if (request.target.find(path) != std::string::npos) out.push_back(request.Header("range"));
    }
    return out;
  }
  // First and last bytes of the pieces that were asked for.
  static std::map<size_t, size_t> Pieces(const FakeRegistry& registry, const std::string& blob) {
    std::map<size_t, size_t> out;
    for (const std::string& range : Ranges(registry, blob)) {
      if (range.empty() || range.back() == '-') continue;
      const size_t first = std::stoul(range.substr(6));
      out.emplace(first, std::stoul(range.substr(range.find('-') + 1)));
    }
    return out;
  }
  // Everything behind the stream's part exactly once.
  static void ExpectPiecesCoverTheRest(const FakeRegistry& registry, const std::string& blob) {
    const auto pieces = Pieces(registry, blob);
    ASSERT_FALSE(pieces.empty());
    size_t at = pieces.begin()->first;
    EXPECT_GE(at, size_t{8} << 20);
    for (const auto& [first, last] : pieces) {
      EXPECT_EQ(first, at);
      at = last + 1;
    }
    EXPECT_EQ(at, blob.size());
    EXPECT_EQ(Ranges(registry, blob).size(), pieces.size() + 1);  // and the stream
  }
  // What `hook` makes of a piece has the stream go on, once, and the image be right.
  void StreamGoesOnAfter(FakeRegistry::Hook hook) {
    registry_.SetHook(SlowStreams({blob()}, [hook](const FakeRequest& request) {
      return IsPiece(request) ? hook(request) : std::nullopt;
    }));
    PullsRight();
    const auto ranges = Ranges(registry_, blob());
    ASSERT_FALSE(Pieces(registry_, blob()).empty());
    EXPECT_EQ(ranges.back().back(), '-') << ranges.back();
    EXPECT_EQ(std::count_if(ranges.begin(), ranges.end(),
                            [](const std::string& r) { return r.empty() || r.back() == '-'; }),
              2);
  }

  FakeRegistry registry_;
  std::string content_;
  MadeImage made_;
};

TEST_F(RangesTest, ASlowConnectionGetsCompany) {
  std::mutex mutex;
  std::condition_variable changed;
  int now = 0;
  int most = 0;
  registry_.SetHook(SlowStreams({blob()}, [&](const FakeRequest&) -> std::optional<FakeResponse> {
    std::unique_lock lock(mutex);
    most = std::max(most, ++now);
    changed.notify_all();
    changed.wait_for(lock, std::chrono::seconds(20), [&] { return most >= 4; });
    --now;
    return std::nullopt;
  }));
  PullsRight();
  EXPECT_EQ(most, 4);
  ExpectPiecesCoverTheRest(registry_, blob());
}

TEST_F(RangesTest, OneConnectionWhenTheConfigurationSaysSo) {
  options_.parallel_ranges = 1;
  OpenService();
  registry_.SetHook(SlowStreams({blob()}, nullptr, kJudgedBytes));
  PullsRight();
  EXPECT_EQ(Ranges(registry_, blob()), std::vector<std::string>{""});
}

TEST_F(RangesTest, OneConnectionWhenTheRegistryDoesNotSpeakOfRanges) {
  registry_.SetHook([this](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(Sha256(blob())) == std::string::npos) return std::nullopt;
    FakeResponse out = Slow(blob(), request, kJudgedBytes);
    out.headers.clear();
    return out;
  });
  PullsRight();
  EXPECT_EQ(Ranges(registry_, blob()), std::vector<std::string>{""});
}

TEST_F(RangesTest, OneConnectionForWhatIsNotLarge) {
  const MadeImage small = MakeImage({PlainLayer(Archive(content_.substr(0, 31 << 20)))});
  Put(registry_, small);
  registry_.SetHook(SlowStreams({small.layers[0].blob}, nullptr, kJudgedBytes));
  const auto id = Pull(Name());
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(Ranges(registry_, small.layers[0].blob), std::vector<std::string>{""});
}

// After a connection that broke the 206 says that ranges work, though no header did.
TEST_F(RangesTest, AResumedStreamGetsCompanyToo) {
  registry_.SetHook([this](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(Sha256(blob())) == std::string::npos || IsPiece(request)) {
      return std::nullopt;
    }
    FakeResponse out;
    if (request.Header("range").empty()) {
      out.body = blob().substr(0, 1000);
      out.claimed_length = blob().size();
      return out;
    }
    out = Slow(blob(), request);
    out.headers.erase(out.headers.begin());
    return out;
  });
  PullsRight();
  const auto ranges = Ranges(registry_, blob());
  ASSERT_GE(ranges.size(), 8u);
  EXPECT_EQ(ranges[1], "bytes=1000-");
  EXPECT_EQ(Pieces(registry_, blob()).size(), ranges.size() - 2);
}

TEST_F(RangesTest, PiecesThatBecomeTheWholeBlob) {
  StreamGoesOnAfter([this](const FakeRequest&) {
    FakeResponse out;
    out.body = blob();
    return std::optional(out);
  });
}

TEST_F(RangesTest, PiecesThatAreNotThere) {
  StreamGoesOnAfter([](const FakeRequest&) {
    FakeResponse out;
    out.status = 416;
    return std::optional(out);
  });
}

TEST_F(RangesTest, PiecesOfAnotherPlace) {
  StreamGoesOnAfter([this](const FakeRequest& request) {
    FakeRequest other = request;
    other.headers["range"] = "bytes=0-4194303";
    return std::optional(BlobAnswer(blob(), other));
  });
}

TEST_F(RangesTest, PiecesWithoutAPlace) {
  StreamGoesOnAfter([this](const FakeRequest& request) {
    FakeResponse out = BlobAnswer(blob(), request);
    out.headers.clear();
    return std::optional(out);
  });
}

TEST_F(RangesTest, PiecesOfAnotherBlob) {
  StreamGoesOnAfter([this](const FakeRequest& request) {
    return std::optional(BlobAnswer(blob() + "x", request));
  });
}

TEST_F(RangesTest, PiecesThatAreTooLong) {
  StreamGoesOnAfter([this](const FakeRequest& request) {
    FakeResponse out = BlobAnswer(blob(), request);
    out.body += "more";
    return std::optional(out);
  });
}

TEST_F(RangesTest, PiecesWithoutEnd) {
  StreamGoesOnAfter([this](const FakeRequest& request) {
    FakeResponse out = BlobAnswer(blob(), request);
    out.write_body = [this](int fd) {
      while (!registry_.stopping() && WriteAll(fd, std::string(1 << 16, 'x')).ok()) {
      }
    };
    return std::optional(out);
  });
}

// Refused for ever: no endless trying, neither by pieces nor behind them.
TEST_F(RangesTest, PiecesThatAlwaysBreak) {
  StreamGoesOnAfter([this](const FakeRequest& request) {
    FakeResponse out = BlobAnswer(blob(), request);
    out.claimed_length = out.body.size();
    out.body.clear();
    return std::optional(out);
  });
  EXPECT_LE(Ranges(registry_, blob()).size(), 2u + 4u * 5u);
}

// The `n`th request for a piece is answered by `hook`, once; pieces go on to the end.
class OneBadPiece : public RangesTest {
 protected:
  void PiecesGoOnAfter(const FakeRegistry::Hook& hook, int n = 2) {
    std::atomic<int> pieces{0};
    registry_.SetHook(SlowStreams({blob()}, [&, hook](const FakeRequest& request) {
      return IsPiece(request) && ++pieces == n ? hook(request) : std::nullopt;
    }));
    PullsRight();
    const auto ranges = Ranges(registry_, blob());
    EXPECT_EQ(ranges[0], "");
    EXPECT_TRUE(std::none_of(ranges.begin() + 1, ranges.end(),
                             [](const std::string& r) { return r.empty() || r.back() == '-'; }));
  }
};

TEST_F(OneBadPiece, ThatIsShortIsCompleted) {
  PiecesGoOnAfter([this](const FakeRequest& request) {
    FakeRequest shorter = request;
    const size_t first = std::stoul(request.Header("range").substr(6));
    shorter.headers["range"] = Cat("bytes=", first, "-", first + 999999);
    return std::optional(BlobAnswer(blob(), shorter));
  });
}

TEST_F(OneBadPiece, ThatBreaksGoesOnWhereItBroke) {
  std::atomic<size_t> first{0};
  PiecesGoOnAfter([&](const FakeRequest& request) {
    first = std::stoul(request.Header("range").substr(6));
    FakeResponse out = BlobAnswer(blob(), request);
    out.claimed_length = out.body.size();
    out.body.resize(777777);
    return std::optional(out);
  });
  EXPECT_TRUE(Pieces(registry_, blob()).contains(first + 777777));
}

TEST_F(OneBadPiece, ThatIsRefusedWaits) {
  std::mutex mutex;
  std::string refused;
  MonoTime first{};
  MonoTime second{};
  registry_.SetHook(SlowStreams({blob()}, [&](const FakeRequest& request) {
    const std::string range = request.Header("range");
    std::lock_guard lock(mutex);
    FakeResponse out;
    out.status = 429;
    out.headers = {"Retry-After: 1"};
    if (refused.empty()) {
      refused = range;
      first = MonoNow();
      return std::optional(out);
    }
    if (range == refused) second = MonoNow();
    return std::optional<FakeResponse>();
  }));
  PullsRight();
  EXPECT_GE(second - first, std::chrono::seconds(1));
}

TEST_F(RangesTest, ATokenThatEndsAmongPiecesIsRenewed) {
  std::atomic<int> pieces{0};
  std::atomic<int> tokens{0};
  const FakeRegistry::Hook slow = SlowStreams({blob()});
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    FakeResponse out;
    if (request.target.starts_with("/token")) {
      out.body = Cat(R"({"token":"t)", ++tokens, R"("})");
      return out;
    }
    if (!request.Header("authorization").empty() && (!IsPiece(request) || ++pieces != 3)) {
      return slow(request);
    }
    out.status = 401;
    out.headers = {"WWW-Authenticate: Bearer realm=\"http://" + registry_.host() + "/token\""};
    return out;
  });
  PullsRight();
  EXPECT_EQ(tokens, 2);
  EXPECT_EQ(Ranges(registry_, blob()).size(), Pieces(registry_, blob()).size() + 2);  // one twice
}

// A cache that is wrong about parts, and right about the whole.
TEST_F(RangesTest, WrongBytesInAPieceAreFetchedAgainWithoutPieces) {
  const auto wrong = [this](const FakeRequest& request) -> std::optional<FakeResponse> {
    FakeResponse out = BlobAnswer(blob(), request);
    out.body[out.body.size() / 2] ^= 1;
    return out;
  };
  registry_.SetHook(SlowStreams({blob()}, wrong, kJudgedBytes));
  PullsRight();
  const auto ranges = Ranges(registry_, blob());
  EXPECT_GT(Pieces(registry_, blob()).size(), 4u);
  EXPECT_EQ(ranges.back(), "");
}

TEST_F(RangesTest, WrongBytesHoweverTheyAreFetched) {
  std::string damaged = blob();
  damaged[damaged.size() / 4 * 3] ^= 1;  // in the middle of a file
  const auto wrong = [&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(Sha256(blob())) == std::string::npos) return std::nullopt;
    if (IsPiece(request)) return BlobAnswer(damaged, request);
    return Slow(damaged, request, kJudgedBytes);
  };
  registry_.SetHook(wrong);
  const auto failed = Pull(Name());
  EXPECT_EQ(failed.status().code(), Code::kDataLoss);
  EXPECT_THAT(failed.status().message(),
              AllOf(HasSubstr("layer 1 of 1"), HasSubstr("digest mismatch")));
  EXPECT_EQ(SettledCounts({}), StoreCounts{});

  FakeRegistry mirror;
  Put(mirror, made_);
  mirror.SetHook(wrong);
  registry_.SetHook(nullptr);
  options_.registries[registry_.host()].mirrors = {MirrorAt(mirror.host())};
  OpenService();
  const size_t before = Ranges(registry_, blob()).size();
  PullsRight();
  EXPECT_GT(Pieces(mirror, blob()).size(), 4u);
  EXPECT_GT(Ranges(registry_, blob()).size(), before);
}

TEST_F(RangesTest, AMirrorThatLosesTheBlobHandsOver) {
  FakeRegistry mirror;
  Put(mirror, made_);
  mirror.SetHook(SlowStreams({blob()}, [](const FakeRequest&) {
    FakeResponse out;
    out.status = 404;
    return std::optional(out);
  }));
  options_.registries[registry_.host()].mirrors = {MirrorAt(mirror.host())};
  OpenService();
  PullsRight();
  const auto ranges = Ranges(registry_, blob());
  ASSERT_FALSE(ranges.empty());
  EXPECT_THAT(ranges[0], testing::MatchesRegex("bytes=[0-9]+-"));
}

TEST_F(RangesTest, PiecesFromElsewhereGetNoCredentials) {
  FakeRegistry storage;
  storage.AddBlob(blob());
  storage.SetHook(SlowStreams({blob()}));
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    FakeResponse out;
    if (request.Header("authorization").empty()) {
      out.status = 401;
      out.headers = {"WWW-Authenticate: Basic realm=\"r\""};
      return out;
    }
    if (request.target.find(Sha256(blob())) == std::string::npos) return std::nullopt;
    out.status = 307;
    out.headers = {"Location: http://" + storage.host() + "/blobs/" + Sha256(blob())};
    return out;
  });
  RegistryAuth auth;
  auth.username = "user";
  auth.password = "secret";
  const auto id = Pull(Name(), auth);
  ASSERT_TRUE(id.ok()) << id.status().message();
  ExpectPiecesCoverTheRest(storage, blob());
  for (const FakeRequest& request : storage.requests()) {
    EXPECT_EQ(request.Header("authorization"), "");
  }
}

TEST_F(RangesTest, CancelledAmongPieces) {
  CancelSource source;
  std::atomic<int> pieces{0};
  registry_.SetHook(SlowStreams({blob()}, [&](const FakeRequest&) -> std::optional<FakeResponse> {
    if (++pieces == 4) source.Cancel();
    while (!registry_.stopping()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return std::nullopt;
  }));
  EXPECT_EQ(Pull(Name(), {}, source.token()).status().code(), Code::kCancelled);
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

// The largest resident set of our crisp-pull so far, in KiB.
int64_t PullerPeak() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    pid_t pid = 0;
    if (!(children >> pid)) continue;
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
    }
  }
  return 0;
}

TEST_F(RangesTest, MemoryStaysFlatAndOneLayerHasPiecesAtATime) {
  std::vector<MadeLayer> layers;
  std::vector<std::string> blobs;
  for (uint64_t i = 0; i < 3; ++i) {
    layers.push_back(ZstdLayer(Archive(RandomBytes(kContentBytes, i))));
    blobs.push_back(layers.back().blob);
  }
  const MadeImage made = MakeImage(std::move(layers));
  Put(registry_, made);
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, int> now;  // by target
  int answered = 0;
  size_t most = 0;
  int64_t peak = 0;
  registry_.SetHook(SlowStreams(blobs, [&](const FakeRequest& request) {
    std::unique_lock lock(mutex);
    const bool head = answered++ % 8 == 0;
    ++now[request.target];
    most = std::max(most, now.size());
    // A head that is late: those ahead of it fill what they may keep.
    if (head) changed.wait_for(lock, std::chrono::milliseconds(300), [] { return false; });
    peak = std::max(peak, PullerPeak());
    if (--now[request.target] == 0) now.erase(request.target);
    return std::optional<FakeResponse>();
  }));
  const auto id = Pull(Name());
  ASSERT_TRUE(id.ok()) << id.status().message();
  ExpectContent(*id, RandomBytes(kContentBytes, 2));
  EXPECT_FALSE(Pieces(registry_, blobs[0]).empty() && Pieces(registry_, blobs[1]).empty() &&
               Pieces(registry_, blobs[2]).empty());
  EXPECT_EQ(most, 1u);
  RecordProperty("peak_kib", std::to_string(peak));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_GT(peak, 0);
  EXPECT_LT(peak, 64 << 10);
#endif
}

TEST_F(RangesTest, AnArtifactsFile) {
  registry_.AddBlob(content_);
  Json file = DescriptorOf(content_, "application/octet-stream");
  file["annotations"] = {{"org.opencontainers.image.title", "model"}};
  const Json manifest = {{"schemaVersion", 2},
                         {"mediaType", kManifestType},
                         {"artifactType", "application/vnd.test"},
                         {"config", DescriptorOf("{}", "application/vnd.oci.empty.v1+json")},
                         {"layers", Json::array({file})}};
  registry_.AddManifest("v1", manifest.dump(), kManifestType);
  registry_.SetHook(SlowStreams({content_}));
  const auto id = Pull(Name());
  ASSERT_TRUE(id.ok()) << id.status().message();
  ExpectPiecesCoverTheRest(registry_, content_);
}

TEST_F(RangesTest, AnEncryptedLayer) {
  const KeyPair key = MakeRsaKey();
  ASSERT_TRUE(WriteFile(dir_ / "key.pem", key.private_pem, 0600).ok());
  options_.decryption_keys_path = dir_ / "key.pem";
  OpenService();
  MadeLayer layer = made_.layers[0];
  const SealedLayer sealed = SealLayer(layer.blob, {{key.public_pem}});
  layer.blob = sealed.blob;
  layer.media_type += "+encrypted";
  layer.annotations = sealed.annotations;
  Put(registry_, MakeImage({layer}));
  registry_.SetHook(SlowStreams({sealed.blob}));
  PullsRight();
  ExpectPiecesCoverTheRest(registry_, sealed.blob);
}

}  // namespace
}  // namespace crisp::image
