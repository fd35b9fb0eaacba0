// Registries that lie, break or attack: a clear error, and nothing left behind.
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/core/file.h"
#include "image_fixture.h"

namespace crisp::image {
namespace {

using testing::HasSubstr;
using testing::Not;

class HostileRegistry : public ImageFixture {
 protected:
  void SetUp() override {
    ImageFixture::SetUp();
    if (IsSkipped()) return;
    options_.pull_stall_seconds = 2;
    OpenService();
    made_ = MakeImage({GzipLayer(TarBuilder().File("f", std::string(20000, 'f')).Build()),
                       GzipLayer(TarBuilder().File("g", "g").Build())});
    Put(registry_, made_);
  }
  // The answer for targets that contain `part`.
  void Answer(const std::string& part, FakeResponse response) {
    registry_.SetHook([part, response](const FakeRequest& request) -> std::optional<FakeResponse> {
      if (request.target.find(part) == std::string::npos) return std::nullopt;
      return response;
    });
  }
  void Fails(Code code, const std::string& says, const std::string& reference = "app:v1") {
    const auto result = Pull(registry_.host() + "/" + reference);
    ASSERT_FALSE(result.ok()) << says;
    EXPECT_EQ(result.status().code(), code) << result.status().ToString();
    EXPECT_THAT(result.status().message(), HasSubstr(says));
    EXPECT_THAT(result.status().message(), HasSubstr(registry_.host() + "/app"));
    EXPECT_EQ(SettledCounts({}), StoreCounts{});
    EXPECT_TRUE(service().List().empty());
  }
  std::string LayerPath(size_t i) const { return "/blobs/" + Sha256(made_.layers[i].blob); }
  FakeResponse Body(const std::string& body) {
    FakeResponse out;
    out.body = body;
    return out;
  }
  FakeResponse Endless(int status) {
    FakeResponse out;
    out.status = status;
    out.write_body = [this](int fd) {
      const std::string block(65536, 'x');
      while (!registry_.stopping() && WriteAll(fd, block).ok()) {
      }
    };
    return out;
  }
  // An image whose one layer is `archive`, under v1.
  void PutLayer(const std::string& archive) {
    Put(registry_, MakeImage({GzipLayer(TarBuilder().Dir("ok").Build()), GzipLayer(archive)}));
  }

  FakeRegistry registry_;
  MadeImage made_;
};

TEST_F(HostileRegistry, WrongBytes) {
  Answer(LayerPath(0), Body(std::string(made_.layers[0].blob.size(), 'x')));
  Fails(Code::kDataLoss, "layer 1 of 2");
  Answer(LayerPath(0), Body(made_.layers[0].blob + "x"));
  Fails(Code::kDataLoss, "larger than");
  Answer(LayerPath(0), Body(made_.layers[0].blob.substr(0, 30)));
  Fails(Code::kDataLoss, "");
  Answer("/blobs/" + made_.id(), Body(std::string(made_.config.size(), ' ')));
  Fails(Code::kDataLoss, "digest mismatch");
  Answer("/blobs/" + made_.id(), Body("{}"));
  Fails(Code::kDataLoss, "its descriptor says");
  Answer("/manifests/", Body(made_.manifest + " "));
  Fails(Code::kDataLoss, "digest mismatch", "app@" + made_.digest());
  FakeResponse liar = Body(made_.manifest);
  liar.headers = {"Docker-Content-Digest: sha256:" + std::string(64, '0')};
  Answer("/manifests/", liar);
  Fails(Code::kDataLoss, "Docker-Content-Digest");
}

TEST_F(HostileRegistry, WrongDiffId) {
  MadeImage made = MakeImage({GzipLayer(TarBuilder().File("f", "1").Build())});
  made.layers[0].blob = Gzip(TarBuilder().File("f", "2").Build());
  Json manifest = Json::parse(made.manifest);
  manifest["layers"][0] = DescriptorOf(made.layers[0].blob, made.layers[0].media_type);
  made.manifest = manifest.dump();
  Put(registry_, made);
  Fails(Code::kDataLoss, "diff id mismatch");
}

TEST_F(HostileRegistry, NotAManifest) {
  FakeResponse html = Body("<html>login</html>");
  html.headers = {"Content-Type: text/html"};
  Answer("/manifests/", html);
  Fails(Code::kInvalidArgument, "HTML");
  Answer("/manifests/", Body(std::string(1 << 20, '[')));
  Fails(Code::kInvalidArgument, "nested");
  Answer("/manifests/", Body(std::string(5 << 20, ' ')));
  Fails(Code::kResourceExhausted, "larger than");
  Json many = Json::parse(made_.manifest);
  for (int i = 0; i < 10000; ++i) many["layers"].push_back(many["layers"][0]);
  Answer("/manifests/", Body(many.dump()));
  Fails(Code::kInvalidArgument, "at most 500");
  Json fewer = Json::parse(made_.manifest);
  fewer["layers"].erase(0);
  Answer("/manifests/", Body(fewer.dump()));
  Fails(Code::kInvalidArgument, "diff ids");
}

TEST_F(HostileRegistry, NoFittingPlatform) {
  Json entry = DescriptorOf(made_.manifest, kManifestType);
  entry["platform"] = {{"os", "linux"}, {"architecture", "s390x"}};
  registry_.AddManifest(
      "v1", Json{{"schemaVersion", 2}, {"manifests", Json::array({entry})}}.dump(), kIndexType);
  Fails(Code::kNotFound, "linux/s390x");
}

TEST_F(HostileRegistry, IndexOfItselfForEver) {
  // Every manifest is an index that points to the next one.
  std::string inner = made_.manifest;
  for (int i = 0; i < 6; ++i) {
    const Json entry = DescriptorOf(inner, kIndexType);
    inner = Json{{"schemaVersion", 2}, {"manifests", Json::array({entry})}}.dump();
    registry_.AddManifest("v1", inner, kIndexType);
  }
  Fails(Code::kInvalidArgument, "nested too deeply");
}

TEST_F(HostileRegistry, StatusCodes) {
  for (const auto& [status, code] : std::map<int, Code>{{401, Code::kUnauthenticated},
                                                        {403, Code::kPermissionDenied},
                                                        {404, Code::kNotFound},
                                                        {418, Code::kUnknown}}) {
    FakeResponse out = Body(R"({"errors":[{"code":"C","message":"m\u001b[31m"}]})");
    out.status = status;
    Answer("/manifests/", out);
    Fails(code, "HTTP " + std::to_string(status) + ": C: m\\x1b");
  }
  FakeResponse out = Body("");
  out.status = 503;
  Answer("/manifests/", out);
  Fails(Code::kUnavailable, "503");
}

TEST_F(HostileRegistry, RegistryIsDown) {
  const auto result = Pull("127.0.0.1:1/app:v1");
  EXPECT_EQ(result.status().code(), Code::kUnavailable);
  EXPECT_THAT(result.status().message(), HasSubstr("http://127.0.0.1:1"));
  EXPECT_EQ(Pull("App").status().code(), Code::kInvalidArgument);
}

TEST_F(HostileRegistry, EndlessBody) {
  Answer("/manifests/", Endless(200));
  Fails(Code::kResourceExhausted, "larger than");
  Answer(LayerPath(0), Endless(200));
  Fails(Code::kDataLoss, "layer 1");
}

// No stall ends it: it comes fast.
TEST_F(HostileRegistry, EndlessBodyOfAnError) {
  Answer("/manifests/", Endless(404));
  Fails(Code::kNotFound, "HTTP 404");
  Answer(LayerPath(0), Endless(403));
  Fails(Code::kPermissionDenied, "HTTP 403");
  FakeResponse redirect = Endless(307);
  redirect.headers = {"Location: other"};  // followed all the same
  Answer("/manifests/v1", redirect);
  Fails(Code::kNotFound, "HTTP 404");
  redirect.headers = {"Location: file:///etc/passwd"};
  Answer("/manifests/v1", redirect);
  Fails(Code::kInvalidArgument, "http");
  redirect.headers.clear();
  Answer("/manifests/v1", redirect);
  Fails(Code::kUnknown, "HTTP 307");
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.starts_with("/token")) return Endless(400);
    FakeResponse denied = Endless(401);
    denied.headers = {"WWW-Authenticate: Bearer realm=\"http://" + registry_.host() + "/token\""};
    return denied;
  });
  Fails(Code::kUnauthenticated, "token server");
}

TEST_F(HostileRegistry, RedirectWithALongBody) {
  FakeResponse redirect;
  redirect.status = 307;
  redirect.headers = {"Location: /v2/app/manifests/" + made_.digest()};
  redirect.body = std::string(100'000, 'x');
  Answer("/manifests/v1", redirect);
  const auto pulled = Pull(registry_.host() + "/app:v1");
  EXPECT_TRUE(pulled.ok()) << pulled.status().ToString();
}

TEST_F(HostileRegistry, SlowLoris) {
  FakeResponse slow;
  slow.write_body = [this](int fd) {
    while (!registry_.stopping() && WriteAll(fd, "x").ok()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  };
  const MonoTime start = MonoNow();
  Answer(LayerPath(0), slow);
  Fails(Code::kDeadlineExceeded, "for 2 s");
  Answer("/manifests/", slow);
  Fails(Code::kDeadlineExceeded, "for 2 s");
  EXPECT_LT(MonoNow() - start, std::chrono::seconds(20));
}

TEST_F(HostileRegistry, Redirects) {
  const auto to = [](const std::string& url) {
    FakeResponse out;
    out.status = 307;
    out.headers = {"Location: " + url};
    return out;
  };
  Answer("/manifests/", to("/v2/app/manifests/again"));
  Fails(Code::kInvalidArgument, "redirects");
  Answer("/manifests/", to("file:///etc/passwd"));
  Fails(Code::kInvalidArgument, "http");
  Answer("/manifests/", to("gopher://127.0.0.1/"));
  Fails(Code::kInvalidArgument, "http");
}

TEST_F(HostileRegistry, RedirectsElsewhereWithoutCredentials) {
  FakeRegistry storage;
  for (const MadeLayer& layer : made_.layers) storage.AddBlob(layer.blob);
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    FakeResponse out;
    if (request.Header("authorization").empty()) {
      out.status = 401;
      out.headers = {"WWW-Authenticate: Basic realm=\"r\""};
      return out;
    }
    for (size_t i = 0; i < made_.layers.size(); ++i) {
      if (request.target.find(LayerPath(i)) == std::string::npos) continue;
      out.status = 307;
      out.headers = {"Location: http://" + storage.host() + "/blobs/" +
                     Sha256(made_.layers[i].blob)};
      return out;
    }
    return std::nullopt;
  });
  RegistryAuth auth;
  auth.username = "user";
  auth.password = "secret";
  const auto id = Pull(registry_.host() + "/app:v1", auth);
  ASSERT_TRUE(id.ok()) << id.status().message();
  ASSERT_EQ(storage.requests().size(), 2u);
  for (const FakeRequest& request : storage.requests()) {
    EXPECT_EQ(request.Header("authorization"), "");
  }
}

TEST_F(HostileRegistry, BrokenTransfersGoOnWhereTheyBroke) {
  std::atomic<int> tries{0};
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(LayerPath(1)) == std::string::npos) return std::nullopt;
    const int attempt = tries++;
    if (attempt >= 2) return std::nullopt;
    const std::string& blob = made_.layers[1].blob;
    const std::string range = request.Header("range");
    const size_t from = range.empty() ? 0 : std::stoul(range.substr(6));
    FakeResponse out;
    out.status = range.empty() ? 200 : 206;
    out.body = blob.substr(from, 20);
    out.claimed_length = blob.size() - from;
    return out;
  });
  const auto id = Pull(registry_.host() + "/app:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInImage(*id, "g"), "g");
  EXPECT_EQ(registry_.requests().back().Header("range"), "bytes=40-");
}

TEST_F(HostileRegistry, ServersThatIgnoreRangesWorkToo) {
  std::atomic<int> tries{0};
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(LayerPath(0)) == std::string::npos) return std::nullopt;
    FakeResponse out = Body(made_.layers[0].blob);
    if (tries++ == 0) {
      out.claimed_length = out.body.size();
      out.body.resize(out.body.size() / 2);
    }
    return out;
  });
  const auto id = Pull(registry_.host() + "/app:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
}

TEST_F(HostileRegistry, OverloadedServersGetAnotherTry) {
  std::atomic<int> tries{0};
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find("/blobs/") == std::string::npos || tries++ % 2 == 1) {
      return std::nullopt;
    }
    FakeResponse out;
    out.status = tries % 3 == 0 ? 429 : 503;
    return out;
  });
  EXPECT_TRUE(Pull(registry_.host() + "/app:v1").ok());
}

TEST_F(HostileRegistry, HostileArchives) {
  ASSERT_TRUE(EnsureDirectory(dir_ / "outside").ok());
  const std::string outside = dir_ / "outside/file";
  PutLayer(TarBuilder().File("../../../../../outside/file", "x").Build());
  Fails(Code::kInvalidArgument, "layer 2 of 2");
  PutLayer(TarBuilder().Pax({{"SCHILY.xattr.trusted.overlay.opaque", "y"}}).Dir("d").Build());
  Fails(Code::kInvalidArgument, "trusted.overlay.opaque");
  TarItem device;
  device.path = "dev/x";
  device.type = '3';
  PutLayer(TarBuilder().Dir("dev").Add(device).Build());
  Fails(Code::kInvalidArgument, "entry dev/x");
  PutLayer(TarBuilder().HardLink("l", outside).Build());
  Fails(Code::kDataLoss, "no layer has");
  PutLayer(TarBuilder().File("f", std::string(3000, 'x')).Build().substr(0, 2000));
  Fails(Code::kDataLoss, "cut off");
  EXPECT_FALSE(PathExists(outside));
}

// Whoever reads the error in a pod's events knows where to look: image, layer and entry.
TEST_F(HostileRegistry, EveryHostileEntryIsNamed) {
  const auto device = [](const std::string& path) {
    TarItem out;
    out.path = path;
    out.type = '3';
    return out;
  };
  ASSERT_TRUE(WriteFile(dir_ / "secret", "untouched").ok());
  const struct {
    std::string archive;
    Code code;
    std::string entry;
  } kCases[] = {
      {TarBuilder().File("../up", "x").Build(), Code::kInvalidArgument, "entry ../up"},
      {TarBuilder().File("/a/../../up", "x").Build(), Code::kInvalidArgument, "entry /a/../../up"},
      {TarBuilder().Symlink("a", "b").Symlink("b", "a").File("a/f", "x").Build(),
       Code::kInvalidArgument, "entry a/f"},
      {TarBuilder().HardLink("l", "../../secret").Build(), Code::kInvalidArgument, "entry l"},
      {TarBuilder().HardLink("l", dir_ / "secret").Build(), Code::kDataLoss, "entry l"},
      {TarBuilder().Symlink("s", dir_ / "secret").HardLink("l", "s").HardLink("m", "l/x").Build(),
       Code::kDataLoss, "entry m"},
      {TarBuilder().File("d/.wh...", "").Build(), Code::kInvalidArgument, "entry d/.wh..."},
      {TarBuilder().File("d/.wh..", "").Build(), Code::kInvalidArgument, "entry d/.wh.."},
      {TarBuilder().Add(device("w")).Build(), Code::kInvalidArgument, "entry w"},
      {TarBuilder().Pax({{"SCHILY.xattr.trusted.overlay.redirect", "/"}}).Dir("r").Build(),
       Code::kInvalidArgument, "entry r"},
      {TarBuilder().Pax({{"SCHILY.xattr.trusted.overlay.metacopy", "y"}}).File("m", "").Build(),
       Code::kInvalidArgument, "entry m"},
      {TarBuilder().File(std::string("\x1b[2J..\xff") + std::string(260, 'n'), "").Build(),
       Code::kInvalidArgument, "entry \\x1b[2J..\\xff"},
  };
  for (const auto& one : kCases) {
    SCOPED_TRACE(one.entry);
    PutLayer(one.archive);
    const auto result = Pull(registry_.host() + "/app:v1");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), one.code) << result.status().ToString();
    EXPECT_THAT(result.status().message(),
                testing::AllOf(HasSubstr("pull " + registry_.host() + "/app:v1"),
                               HasSubstr("layer 2 of 2"), HasSubstr(one.entry)));
    EXPECT_EQ(SettledCounts({}), StoreCounts{});
    EXPECT_EQ(*ReadFile(dir_ / "secret"), "untouched");
    EXPECT_FALSE(PathExists(dir_ / "up"));
  }
}

// What looks odd but is allowed: it works, and stays inside.
TEST_F(HostileRegistry, OddEntriesThatAreFine) {
  TarItem fifo;
  fifo.path = "fifo";
  fifo.type = '6';
  TarItem owned;
  owned.path = "owned";
  owned.data = "o";
  owned.uid = 4294967294;
  owned.gid = 3000000000;
  ASSERT_TRUE(WriteFile(dir_ / "secret", "untouched").ok());
  PutLayer(TarBuilder()
               .File("/absolute", "a")
               .File("./././dots", "d")
               .File("\xff\xfe", "n")
               .Add(fifo)
               .Add(owned)
               .Symlink("out", dir_.path())
               .File("out/secret", "inside")
               .Build());
  const auto id = Pull(registry_.host() + "/app:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInImage(*id, "absolute"), "a");
  EXPECT_EQ(FileInImage(*id, "dots"), "d");
  EXPECT_EQ(FileInImage(*id, "\xff\xfe"), "n");
  EXPECT_EQ(FileInImage(*id, "owned"), "o");
  EXPECT_EQ(*ReadFile(dir_ / "secret"), "untouched");
}

// zstd:chunked is zstd with frames per file, and its table of contents and footer in frames that
// readers skip.
TEST_F(HostileRegistry, ZstdChunkedIsZstd) {
  const std::string archive = TarBuilder().Dir("d").File("d/f", std::string(30000, 'z')).Build();
  const auto skipped = [](const std::string& content) {
    const auto n = static_cast<uint32_t>(content.size());
    std::string out("\x50\x2a\x4d\x18", 4);
    for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((n >> shift) & 0xff);
    return out + content;
  };
  MadeLayer layer = ZstdLayer(archive);
  layer.blob = ZstdLayer(archive.substr(0, 512)).blob + ZstdLayer(archive.substr(512)).blob +
               skipped(std::string(700, 't')) + skipped("GNUlInUx and a footer");
  const MadeImage made = MakeImage({layer});
  Put(registry_, made);
  const auto id = Pull(registry_.host() + "/app:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInImage(*id, "d/f").size(), 30000u);
  layer.blob.resize(layer.blob.size() - 3);  // a footer that is cut
  Put(registry_, MakeImage({layer}));
  ASSERT_TRUE(service().Remove(*id).ok());
  Fails(Code::kDataLoss, "layer 1 of 1");
}

TEST_F(HostileRegistry, Bombs) {
  options_.max_layer_bytes = 1 << 20;
  OpenService();
  PutLayer(TarBuilder().File("small", "x").File("zeros", std::string(8 << 20, '\0')).Build());
  Fails(Code::kResourceExhausted, "layer 2 of 2");
  Fails(Code::kResourceExhausted, "entry zeros");
  // Many that are small enough each.
  TarBuilder many;
  for (int i = 0; i < 40; ++i) many.File("f" + std::to_string(i), std::string(50000, '\0'));
  PutLayer(many.Build());
  Fails(Code::kResourceExhausted, "layer 2 of 2");
  // Behind the archive, where nothing is written any more.
  PutLayer(TarBuilder().File("f", "x").Build() + std::string(4 << 20, '\0'));
  Fails(Code::kResourceExhausted, "behind the archive");
  // A file that claims more than it has.
  TarItem claims;
  claims.path = "claims";
  claims.data = "x";
  claims.claimed_size = int64_t{1} << 50;
  PutLayer(TarBuilder().Add(claims).Build());
  Fails(Code::kResourceExhausted, "entry claims");
  // Sparse: no data at all, but a size.
  TarItem sparse;
  sparse.path = "sparse";
  PutLayer(TarBuilder()
               .Pax({{"GNU.sparse.size", "1125899906842624"},
                     {"GNU.sparse.numblocks", "1"},
                     {"GNU.sparse.map", "0,0"}})
               .Add(sparse)
               .Build());
  const auto result = Pull(registry_.host() + "/app:v1");
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("entry sparse"));
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

TEST_F(HostileRegistry, CompressedStreamsThatAreWrong) {
  const auto put_blob = [&](const std::string& blob) {
    MadeImage made = MakeImage({GzipLayer(TarBuilder().Dir("ok").Build())});
    made.layers[0].blob = blob;
    Json manifest = Json::parse(made.manifest);
    manifest["layers"][0] = DescriptorOf(blob, made.layers[0].media_type);
    made.manifest = manifest.dump();
    Put(registry_, made);
  };
  const std::string good = Gzip(TarBuilder().File("f", std::string(9000, 'f')).Build());
  put_blob(good.substr(0, good.size() - 4));  // without the end of the checksum
  Fails(Code::kDataLoss, "layer 1 of 1");
  put_blob(good + "garbage behind it");
  Fails(Code::kDataLoss, "layer 1 of 1");
  std::string damaged = good;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x10);
  put_blob(damaged);
  Fails(Code::kDataLoss, "layer 1 of 1");
  put_blob("BZh91AY&SY" + std::string(600, 'x'));  // bzip2 is not a layer's compression
  Fails(Code::kDataLoss, "layer 1 of 1");
}

TEST_F(HostileRegistry, LinksInCircles) {
  TarBuilder chain;
  chain.File("l0", "end");
  for (int i = 1; i <= 200; ++i) {
    chain.HardLink("l" + std::to_string(i), "l" + std::to_string(i - 1));
  }
  PutLayer(chain.Build());
  const auto id = Pull(registry_.host() + "/app:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInImage(*id, "l200"), "end");
  ASSERT_TRUE(service().Remove(*id).ok());
  PutLayer(TarBuilder().HardLink("self", "self").Build());
  Fails(Code::kDataLoss, "entry self");
  PutLayer(TarBuilder().HardLink("a", "b").HardLink("b", "a").Build());
  Fails(Code::kDataLoss, "entry a");
  PutLayer(TarBuilder().Symlink("s", "s/s").File("s/f", "").Build());
  Fails(Code::kInvalidArgument, "entry s/f");
}

TEST_F(HostileRegistry, HeadersWithoutEnd) {
  FakeResponse flood = Body(made_.manifest);
  for (int i = 0; i < 3000; ++i) flood.headers.push_back("X-Flood: " + std::string(100, 'x'));
  Answer("/manifests/", flood);
  const auto result = Pull(registry_.host() + "/app:v1");
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("header"));
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

TEST_F(HostileRegistry, RangesThatWereNotAskedFor) {
  std::atomic<int> tries{0};
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(LayerPath(0)) == std::string::npos) return std::nullopt;
    const std::string& blob = made_.layers[0].blob;
    FakeResponse out;
    if (tries++ == 0) {
      out.body = blob.substr(0, 40);
      out.claimed_length = blob.size();
      return out;
    }
    out.status = 206;
    out.headers = {"Content-Range: bytes 7-" + std::to_string(blob.size() - 1) + "/" +
                   std::to_string(blob.size())};
    out.body = blob.substr(7);
    return out;
  });
  Fails(Code::kDataLoss, "asked for bytes from 40, got them from 7");
}

// Nobody has sent a byte, so no content tells whom not to ask again; there is an end nevertheless.
TEST_F(HostileRegistry, AnswersWithoutAByteOfTheLayer) {
  const std::string size = std::to_string(made_.layers[0].blob.size());
  FakeResponse circle;
  circle.status = 307;
  circle.headers = {"Location: /v2/app" + LayerPath(0)};
  Answer(LayerPath(0), circle);
  Fails(Code::kInvalidArgument, "redirects");
  Answer(LayerPath(0), Body(""));
  Fails(Code::kDataLoss, "the answer is empty; the blob's descriptor says");
  FakeResponse part = Body(made_.layers[0].blob.substr(7));
  part.status = 206;
  part.headers = {"Content-Range: bytes 7-" + std::to_string(made_.layers[0].blob.size() - 1) +
                  "/" + size};
  Answer(LayerPath(0), part);
  Fails(Code::kDataLoss, "got them from 7");
  part.body = made_.layers[0].blob;
  part.headers = {"Content-Range: bytes 0-" + std::to_string(part.body.size() - 1) + "/1000000"};
  Answer(LayerPath(0), part);
  Fails(Code::kDataLoss, "the blob has 1000000 bytes");
}

TEST_F(HostileRegistry, LongestNamesAndDeepestPaths) {
  std::string deep = "d";
  for (int i = 0; i < 3000; ++i) deep += "/d";
  PutLayer(TarBuilder().Pax({{"path", deep}}).File("short", "").Build());
  Fails(Code::kInvalidArgument, "layer 2 of 2");
  PutLayer(TarBuilder().Symlink("l", std::string(5000, 'x')).Build());
  const auto result = Pull(registry_.host() + "/app:v1");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

TEST_F(HostileRegistry, TokenServersThatMisbehave) {
  const auto challenge = [&](const std::string& realm, const std::string& token_body) {
    registry_.SetHook([=](const FakeRequest& request) -> std::optional<FakeResponse> {
      FakeResponse out;
      if (request.target.starts_with("/token")) {
        out.body = token_body;
        return out;
      }
      out.status = 401;
      out.headers = {"WWW-Authenticate: Bearer realm=\"" + realm + "\""};
      return out;
    });
  };
  const std::string realm = "http://" + registry_.host() + "/token";
  challenge("file:///etc/passwd", "");
  Fails(Code::kInvalidArgument, "token server");
  challenge(realm, "<html>");
  Fails(Code::kInvalidArgument, "HTML");
  challenge(realm, R"({"token":"a\r\nInjected: yes"})");
  Fails(Code::kInvalidArgument, "no token");
  challenge(realm, R"({"token":"useless"})");
  Fails(Code::kUnauthenticated, "401");
}

}  // namespace
}  // namespace crisp::image
