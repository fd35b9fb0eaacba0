// Pulls from a registry that behaves, by the whole service.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/core/file.h"
#include "image_fixture.h"

namespace crisp::image {
namespace {

using testing::HasSubstr;
using testing::Not;

class PullTest : public ImageFixture {
 protected:
  MadeImage ThreeKinds() {
    return MakeImage(
        {GzipLayer(TarBuilder().Dir("etc").File("etc/a", "one").File("etc/gone", "x").Build()),
         ZstdLayer(TarBuilder().Dir("etc").File("etc/.wh.gone", "").File("etc/b", "two").Build()),
         PlainLayer(TarBuilder().Dir("etc").File("etc/a", "three").Build())},
        {{"User", "7"}, {"Cmd", {"sh"}}});
  }
  std::string Name(const std::string& rest) { return registry_.host() + "/" + rest; }

  FakeRegistry registry_;
};

TEST_F(PullTest, ByTagThenByDigestThenRemove) {
  const StoreCounts before = Counts();
  const MadeImage made = ThreeKinds();
  Put(registry_, made);
  const auto id = Pull(Name("app:v1"));
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(*id, made.id());
  const ImagePtr image = *service().Find(Name("app:v1"));
  ASSERT_NE(image, nullptr);
  EXPECT_EQ(image->repo_tags, std::vector<std::string>{Name("app:v1")});
  EXPECT_EQ(image->repo_digests, std::vector<std::string>{Name("app@" + made.digest())});
  EXPECT_EQ(image->config.user, "7");
  EXPECT_EQ(image->diff_ids.size(), 3u);
  EXPECT_EQ(FileInImage(*id, "etc/a"), "three");
  EXPECT_EQ(FileInImage(*id, "etc/b"), "two");
  EXPECT_EQ(FileInImage(*id, "etc/gone"), "(none)");
  EXPECT_EQ(Counts(), (StoreCounts{3, 0, 1, 1 + 3 + 3 + 2}));
  // Byte for byte.
  EXPECT_EQ(*ReadFile(dir_ / ("store/images/" + made.id().substr(7) + "/manifest.json")),
            made.manifest);
  EXPECT_EQ(*ReadFile(dir_ / ("store/images/" + made.id().substr(7) + "/config.json")),
            made.config);
  const FsInfo info = service().GetFsInfo();
  EXPECT_GT(info.used_bytes, 3u * 4096);
  EXPECT_GT(info.inodes_used, 6u);

  ASSERT_TRUE(service().Remove(*id).ok());
  EXPECT_EQ(SettledCounts(before), before);
  // By digest only: no tag, and exactly the requested reference (cri-contract 12.2).
  const std::string by_digest = Name("app@" + made.digest());
  ASSERT_TRUE(Pull(by_digest).ok());
  EXPECT_TRUE((*service().Find(*id))->repo_tags.empty());
  EXPECT_EQ((*service().Find(*id))->repo_digests, std::vector<std::string>{by_digest});
}

TEST_F(PullTest, IndexDigestIsTheRepoDigest) {
  const MadeImage made = ThreeKinds();
  Put(registry_, made, "unused");
  Json entry = DescriptorOf(made.manifest, kManifestType);
  const Platform host = HostPlatform();
  entry["platform"] = {{"os", host.os}, {"architecture", host.architecture}};
  Json other = entry;
  other["platform"]["architecture"] = "s390x";
  other["digest"] = "sha256:" + std::string(64, '0');
  const std::string index =
      Json{{"schemaVersion", 2}, {"manifests", Json::array({other, entry})}}.dump();
  registry_.AddManifest("multi", index, kIndexType);
  const auto id = Pull(Name("app:multi"));
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ((*service().Find(*id))->repo_digests,
            std::vector<std::string>{Name("app@" + Sha256(index))});
}

TEST_F(PullTest, SharedLayersAreNotFetchedAgain) {
  const MadeLayer base = GzipLayer(TarBuilder().File("base", std::string(5000, 'b')).Build());
  const MadeImage one = MakeImage({base, GzipLayer(TarBuilder().File("x", "1").Build())});
  const MadeImage two = MakeImage({base, GzipLayer(TarBuilder().File("x", "2").Build())});
  Put(registry_, one, "1");
  Put(registry_, two, "2");
  ASSERT_TRUE(Pull(Name("app:1")).ok());
  ASSERT_TRUE(Pull(Name("app:2")).ok());
  EXPECT_EQ(registry_.CountRequests("/blobs/" + Sha256(base.blob)), 1u);
  ASSERT_TRUE(Pull(Name("app:2")).ok());
  EXPECT_EQ(registry_.CountRequests("/blobs/" + Sha256(two.layers[1].blob)), 1u);
  EXPECT_EQ(Counts().layers, 3u);
  ASSERT_TRUE(service().Remove(Name("app:1")).ok());
  EXPECT_EQ(FileInImage(two.id(), "x"), "2");
}

TEST_F(PullTest, SimultaneousPullsFetchOnce) {
  const MadeImage made = ThreeKinds();
  Put(registry_, made);
  registry_.SetHook([](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find("/blobs/") != std::string::npos) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return std::nullopt;
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto id = Pull(Name("app:v1"));
      EXPECT_TRUE(id.ok()) << id.status().message();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const MadeLayer& layer : made.layers) {
    EXPECT_EQ(registry_.CountRequests("/blobs/" + Sha256(layer.blob)), 1u);
  }
  EXPECT_EQ(service().List().size(), 1u);
  EXPECT_EQ(Counts().layers, 3u);
}

TEST_F(PullTest, WaitingPullTakesOverWhenTheOtherFails) {
  const MadeImage made = MakeImage({GzipLayer(TarBuilder().File("f", "1").Build())});
  Put(registry_, made);
  std::atomic<int> blobs{0};
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(Sha256(made.layers[0].blob)) == std::string::npos) return std::nullopt;
    if (blobs++ > 0) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    FakeResponse denied;
    denied.status = 403;
    return denied;
  });
  std::atomic<int> succeeded{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] { succeeded += Pull(Name("app:v1")).ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(succeeded, 2);
  EXPECT_EQ(FileInImage(made.id(), "f"), "1");
}

TEST_F(PullTest, PullsAndRemovalsAtOnce) {
  const MadeImage made = ThreeKinds();
  Put(registry_, made);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        const auto id = Pull(Name("app:v1"));
        EXPECT_TRUE(id.ok()) << id.status().message();
        EXPECT_TRUE(service().Remove(Name("app:v1")).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

TEST_F(PullTest, TiedLayersAndTheSameLayerTwice) {
  const std::string base = TarBuilder()
                               .Dir("usr")
                               .Dir("usr/lib", 0711)
                               .Symlink("lib", "usr/lib")
                               .File("usr/lib/old", "old")
                               .Build();
  const MadeLayer twice = GzipLayer(TarBuilder().Dir("d").File("d/f", "twice").Build());
  const MadeLayer implied = GzipLayer(TarBuilder().File("lib/new", "new").Build());
  const MadeLayer linked = ZstdLayer(TarBuilder().HardLink("copy", "lib/old").Build());
  const MadeImage made = MakeImage({GzipLayer(base), twice, implied, linked, twice});
  Put(registry_, made);
  const auto id = Pull(Name("odd:v1"));
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInImage(*id, "lib/new"), "new");
  EXPECT_EQ(FileInImage(*id, "usr/lib/new"), "new");
  EXPECT_EQ(FileInImage(*id, "lib/old"), "old");
  EXPECT_EQ(FileInImage(*id, "copy"), "old");
  EXPECT_EQ(FileInImage(*id, "d/f"), "twice");
  EXPECT_EQ(Counts().layers, 4u);
  // The same tied layer on other parents is another layer.
  const MadeImage other = MakeImage({twice, implied});
  Put(registry_, other, "other");
  ASSERT_TRUE(Pull(Name("odd:other")).ok());
  EXPECT_EQ(FileInImage(other.id(), "lib/new"), "new");
  EXPECT_EQ(FileInImage(other.id(), "lib/old"), "(none)");
  EXPECT_EQ(Counts().layers, 5u);
  // And known the next time.
  const size_t fetched = registry_.CountRequests("/blobs/" + Sha256(implied.blob));
  ASSERT_TRUE(Pull(Name("odd:v1")).ok());
  EXPECT_EQ(registry_.CountRequests("/blobs/" + Sha256(implied.blob)), fetched);
}

TEST_F(PullTest, ManyTiedLayersWithFewSlots) {
  options_.parallel_layers = 2;
  OpenService();
  std::vector<MadeLayer> layers;
  for (int i = 0; i < 12; ++i) {
    layers.push_back(GzipLayer(
        TarBuilder().File("dir" + std::to_string(i % 3) + "/f" + std::to_string(i), "x").Build()));
  }
  const MadeImage made = MakeImage(layers);
  Put(registry_, made);
  const auto id = Pull(Name("app:v1"));
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInImage(*id, "dir2/f11"), "x");
}

TEST_F(PullTest, ImageWithoutLayers) {
  const MadeImage made = MakeImage({});
  Put(registry_, made);
  const auto id = Pull(Name("empty:v1"));
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_GT((*service().Find(*id))->size_bytes, 0);
  EXPECT_EQ(FileInImage(*id, "x"), "(none)");
}

TEST_F(PullTest, ManyLayers) {
  std::vector<MadeLayer> layers;
  for (int i = 0; i < 150; ++i) {
    layers.push_back(PlainLayer(TarBuilder().File("f" + std::to_string(i), "x").Build()));
  }
  const MadeImage made = MakeImage(layers);
  Put(registry_, made);
  const auto id = Pull(Name("many:v1"));
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInImage(*id, "f0"), "x");
  EXPECT_EQ(FileInImage(*id, "f149"), "x");
}

// A service's soft limit is often 1024, and sixteen layers may be unpacked at once.
TEST_F(PullTest, ManyDirectoriesUnderALowSoftLimitOfDescriptors) {
  TarBuilder archive;
  for (int i = 0; i < 300; ++i) archive.Dir(Cat("d", i)).File(Cat("d", i, "/f"), "x");
  Put(registry_, MakeImage({GzipLayer(archive.Build())}));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{200, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const auto id = Pull(Name("app:v1"));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInImage(*id, "d299/f"), "x");
}

TEST_F(PullTest, SurvivesARestart) {
  const MadeImage made = ThreeKinds();
  Put(registry_, made);
  ASSERT_TRUE(Pull(Name("app:v1")).ok());
  const StoreCounts counts = Counts();
  OpenService();
  EXPECT_EQ(SettledCounts(counts), counts);
  EXPECT_EQ(FileInImage(made.id(), "etc/a"), "three");
}

TEST_F(PullTest, DeadlineAndCancellation) {
  const MadeImage made = ThreeKinds();
  Put(registry_, made);
  const auto late =
      Pull(Name("app:v1"), {}, CancelSource(MonoNow() + std::chrono::milliseconds(1)).token());
  EXPECT_EQ(late.status().code(), Code::kDeadlineExceeded);
  registry_.SetHook([this](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find("/blobs/") == std::string::npos) return std::nullopt;
    while (!registry_.stopping()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return std::nullopt;
  });
  CancelSource source;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    source.Cancel();
  });
  const MonoTime start = MonoNow();
  EXPECT_EQ(Pull(Name("app:v1"), {}, source.token()).status().code(), Code::kCancelled);
  EXPECT_LT(MonoNow() - start, std::chrono::seconds(2));
  canceller.join();
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

// The pid of our crisp-pull, which must be the only child.
pid_t FindPuller() {
  std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream list(task.path() / "children");
    pid_t pid = 0;
    if (list >> pid) return pid;
  }
  return 0;
}

TEST_F(PullTest, KilledHalfWay) {
  const MadeImage made = ThreeKinds();
  Put(registry_, made);
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(Sha256(made.layers[2].blob)) == std::string::npos) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // the other layers are done
    const pid_t pid = FindPuller();
    if (pid > 0) ::kill(pid, SIGKILL);
    return std::nullopt;
  });
  const auto killed = Pull(Name("app:v1"));
  ASSERT_FALSE(killed.ok());
  EXPECT_EQ(killed.status().code(), Code::kInternal);
  EXPECT_THAT(killed.status().message(), HasSubstr("signal 9"));
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
  EXPECT_TRUE(service().List().empty());
  registry_.SetHook(nullptr);
  ASSERT_TRUE(Pull(Name("app:v1")).ok());
  EXPECT_EQ(FileInImage(made.id(), "etc/a"), "three");
}

// Whatever a library writes there: it must not fill the daemon's log.
TEST_F(PullTest, WhatThePullerWritesToStandardErrorIsBoundedAndSaysWhyItDied) {
  options_.pull_binary = dir_ / "crisp-pull";
  const auto pull_with = [this](const std::string& command) {
    // It has read its request before it dies.
    const std::string script = "#!/bin/sh\ndd bs=1M count=1 <&3 >/dev/null 2>&1\n" + command;
    EXPECT_TRUE(WriteFile(options_.pull_binary, script, 0755).ok());
    OpenService();
    testing::internal::CaptureStderr();
    const auto result = Pull(Name("app:v1"));
    service_.reset();
    EXPECT_THAT(testing::internal::GetCapturedStderr(), Not(HasSubstr("corrupted")));
    EXPECT_EQ(result.status().code(), Code::kInternal);
    EXPECT_LT(result.status().message().size(), 1000u);
    return result.status().message();
  };
  EXPECT_THAT(pull_with("printf 'malloc():\\ncorrupted\\033[1m' >&2; exit 7"),
              HasSubstr("ended with code 7 before it was done: malloc(): corrupted [1m"));
  EXPECT_THAT(pull_with("yes corrupted | head -c 1000000 >&2; kill -6 $$"),
              AllOf(HasSubstr("signal 6: "), HasSubstr("corrupted corrupted")));
  EXPECT_THAT(pull_with("exit 1"), testing::EndsWith("ended with code 1 before it was done"));
}

TEST_F(PullTest, ThePullerHasGivenUpWhatItDoesNotNeed) {
  const MadeImage made = ThreeKinds();
  Put(registry_, made);
  std::string status;
  std::string limits;
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(Sha256(made.layers[0].blob)) == std::string::npos) return std::nullopt;
    const std::string process = "/proc/" + std::to_string(FindPuller());
    const auto text = ReadFile(process + "/status");
    if (text.ok()) status = *text;
    const auto table = ReadFile(process + "/limits");
    if (table.ok()) limits = *table;
    return std::nullopt;
  });
  ASSERT_TRUE(Pull(Name("app:v1")).ok());
  EXPECT_THAT(status, HasSubstr("Name:\tcrisp-pull"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1\n"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2\n"));
  const std::string label = "CapPrm:\t";
  const size_t at = status.find(label);
  ASSERT_NE(at, std::string::npos);
  // CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID; SYS_ADMIN, MKNOD, SETFCAP.
  EXPECT_EQ(std::stoull(status.substr(at + label.size(), 16), nullptr, 16) & ~0x8820001fULL, 0u);
#ifndef CRISP_NO_FILTER
  EXPECT_THAT(limits, HasSubstr(" 1879048192 "));  // 1 GiB and three times 256 MiB
#endif
}

#ifndef CRISP_NO_FILTER
// Under a lower limit, which stays: its config is 7 MiB of JSON and 170 MiB of values.
TEST_F(PullTest, AnImageThatNeedsTooMuchMemoryIsAnErrorOfItsPull) {
  MadeImage made = ThreeKinds();
  std::string values;
  for (int i = 0; i < 2'500'000; ++i) values += "[],";
  made.config.insert(1, "\"x\":[" + values + "0],");
  Json manifest = Json::parse(made.manifest);
  manifest["config"] = DescriptorOf(made.config, "application/vnd.oci.image.config.v1+json");
  made.manifest = manifest.dump();
  Put(registry_, made);
  const std::string wrapper = dir_ / "crisp-pull";
  const std::string script = "#!/bin/sh\nulimit -d 163840\nexec " + options_.pull_binary + "\n";
  ASSERT_TRUE(WriteFile(wrapper, script, 0755).ok());
  options_.pull_binary = wrapper;
  options_.parallel_layers = 1;  // whose threads' stacks count
  OpenService();
  const auto pulled = Pull(Name("app:v1"));
  EXPECT_EQ(pulled.status().code(), Code::kResourceExhausted) << pulled.status().ToString();
  EXPECT_THAT(pulled.status().message(), HasSubstr("more memory than it may use"));
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
  Put(registry_, ThreeKinds());  // an honest one has enough
  EXPECT_TRUE(Pull(Name("app:v1")).ok());
}
#endif

// After a power cut its row, written later, could be there without them.
TEST_F(PullTest, AnImageWhoseOwnFilesAreNotOnDiskIsNotPublished) {
  Put(registry_, ThreeKinds());
  ::setenv("CRISP_FAILPOINTS", "image.files.sync=error:the disk has gone", 1);  // crisp-pull's
  const auto pulled = Pull(Name("app:v1"));
  ::unsetenv("CRISP_FAILPOINTS");
  EXPECT_THAT(pulled.status().message(), HasSubstr("the disk has gone"));
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
  EXPECT_TRUE(service().List().empty());
  EXPECT_TRUE(Pull(Name("app:v1")).ok());
}

TEST_F(PullTest, TokenServer) {
  const MadeImage made = ThreeKinds();
  Put(registry_, made);
  registry_.SetHook([this](const FakeRequest& request) -> std::optional<FakeResponse> {
    FakeResponse out;
    if (request.target.starts_with("/token")) {
      // user:secret
      if (request.Header("authorization") != "Basic dXNlcjpzZWNyZXQ=" &&
          request.body.find("refresh_token=identity") == std::string::npos) {
        out.status = 401;
        out.body = "you sent " + request.Header("authorization");
        return out;
      }
      out.body = R"({"token":"good-token"})";
      return out;
    }
    if (request.Header("authorization") == "Bearer good-token") return std::nullopt;
    out.status = 401;
    out.headers = {"WWW-Authenticate: Bearer realm=\"http://" + registry_.host() +
                   "/token\",service=\"svc\",scope=\"repository:app:pull\""};
    return out;
  });
  RegistryAuth auth;
  auth.username = "user";
  auth.password = "wrong-secret";
  const auto denied = Pull(Name("app:v1"), auth);
  EXPECT_EQ(denied.status().code(), Code::kUnauthenticated);
  EXPECT_THAT(denied.status().message(), Not(HasSubstr("wrong-secret")));
  EXPECT_THAT(denied.status().message(), Not(HasSubstr("Basic")));
  EXPECT_EQ(Pull(Name("app:v1")).status().code(), Code::kUnauthenticated);
  auth.password = "secret";
  ASSERT_TRUE(Pull(Name("app:v1"), auth).ok());
  EXPECT_GE(registry_.CountRequests("service=svc&scope=repository%3Aapp%3Apull"), 1u);
  // Credentials for another server stay here.
  auth.server_address = "other.example.com";
  EXPECT_EQ(Pull(Name("app:v1"), auth).status().code(), Code::kUnauthenticated);
  RegistryAuth identity;
  identity.identity_token = "identity";
  EXPECT_TRUE(Pull(Name("app:v1"), identity).ok());
  RegistryAuth bearer;
  bearer.registry_token = "good-token";
  EXPECT_TRUE(Pull(Name("app:v1"), bearer).ok());
}

TEST_F(PullTest, BasicAuthentication) {
  const MadeImage made = ThreeKinds();
  Put(registry_, made);
  registry_.SetHook([](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.Header("authorization") == "Basic dXNlcjpzZWNyZXQ=") return std::nullopt;
    FakeResponse out;
    out.status = 401;
    out.headers = {"WWW-Authenticate: Basic realm=\"r\""};
    return out;
  });
  RegistryAuth auth;
  auth.username = "user";
  EXPECT_EQ(Pull(Name("app:v1"), auth).status().code(), Code::kUnauthenticated);
  auth.password = "secret";
  EXPECT_TRUE(Pull(Name("app:v1"), auth).ok());
}

TEST_F(PullTest, MirrorsInOrderThenTheRegistry) {
  const MadeImage made = ThreeKinds();
  FakeRegistry mirror;
  Put(mirror, made);
  RegistryOptions options;
  options.mirrors = {MirrorAt("127.0.0.1:1"), MirrorAt(mirror.host())};
  ASSERT_TRUE(service().Reload({{{"registry.k8s.io", options}}, {}, {}}).ok());
  ASSERT_TRUE(Pull("registry.k8s.io/app:v1").ok());
  EXPECT_NE(*service().Find("registry.k8s.io/app:v1"), nullptr);
  // A mirror that does not have it: the registry itself is asked.
  Put(registry_, made, "v2");
  options.mirrors = {MirrorAt("127.0.0.1:1"), MirrorAt(mirror.host())};
  ASSERT_TRUE(service().Reload({{{registry_.host(), options}}, {}, {}}).ok());
  ASSERT_TRUE(Pull(Name("app:v2")).ok());
  const auto missing = Pull(Name("app:v3"));
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr("mirror"));
}

TEST_F(PullTest, AMirrorWhoseAnswersAreEmpty) {
  const MadeImage made = ThreeKinds();
  Put(registry_, made);
  FakeRegistry mirror;
  Put(mirror, made);
  mirror.SetHook([](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find("/blobs/") == std::string::npos) return std::nullopt;
    return FakeResponse();
  });
  RegistryOptions options;
  options.mirrors = {MirrorAt(mirror.host())};
  ASSERT_TRUE(service().Reload({{{registry_.host(), options}}, {}, {}}).ok());
  const auto pulled = Pull(Name("app:v1"));
  EXPECT_TRUE(pulled.ok()) << pulled.status().ToString();
  EXPECT_GT(mirror.CountRequests("/blobs/"), 0u);
}

TEST_F(PullTest, PinnedByReload) {
  Put(registry_, ThreeKinds());
  ASSERT_TRUE(Pull(Name("app:v1")).ok());
  EXPECT_FALSE(service().List()[0]->pinned);
  ASSERT_TRUE(service().Reload({{}, {Name("app:v1")}, {}}).ok());
  EXPECT_TRUE(service().List()[0]->pinned);
}

}  // namespace
}  // namespace crisp::image
