// Mirrors, credentials, retries and what is shared between pulls, against registries of our own.
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "base/core/file.h"
#include "image_fixture.h"

namespace crisp::image {
namespace {

using testing::HasSubstr;
using testing::Not;

class RegistryTest : public ImageFixture {
 protected:
  void SetUp() override {
    ImageFixture::SetUp();
    if (IsSkipped()) return;
    options_.pull_stall_seconds = 2;
    made_ = MakeImage({GzipLayer(TarBuilder().File("f", std::string(20000, 'f')).Build()),
                       GzipLayer(TarBuilder().File("g", "g").Build())});
    Put(registry_, made_);
    Put(mirror_, made_);
    RegistryOptions with_mirror;
    with_mirror.mirrors = {MirrorAt(mirror_.host())};
    options_.registries[registry_.host()] = with_mirror;
    OpenService();
  }
  std::string Name() const { return registry_.host() + "/app:v1"; }
  std::string LayerPath(size_t i) const { return "/blobs/" + Sha256(made_.layers[i].blob); }
  static void Answer(FakeRegistry& registry, const std::string& part, FakeResponse response) {
    registry.SetHook([part, response](const FakeRequest& request) -> std::optional<FakeResponse> {
      if (request.target.find(part) == std::string::npos) return std::nullopt;
      return response;
    });
  }
  void PullWorks() {
    const auto id = Pull(Name());
    ASSERT_TRUE(id.ok()) << id.status().message();
    EXPECT_EQ(FileInImage(*id, "g"), "g");
    EXPECT_EQ(FileInImage(*id, "f").size(), 20000u);
  }
  static bool SawHeader(const FakeRegistry& registry, const std::string& name,
                        const std::string& value) {
    const auto all = registry.requests();
    return std::any_of(all.begin(), all.end(),
                       [&](const FakeRequest& r) { return r.Header(name) == value; });
  }

  FakeRegistry registry_;
  FakeRegistry mirror_;
  MadeImage made_;
};

TEST_F(RegistryTest, MirrorServesAll) {
  PullWorks();
  EXPECT_EQ(registry_.requests().size(), 0u);
}

TEST_F(RegistryTest, MirrorWithWrongBlobs) {
  FakeResponse garbage;
  garbage.body = std::string(made_.layers[0].blob.size(), 'x');
  Answer(mirror_, LayerPath(0), garbage);
  PullWorks();
  EXPECT_EQ(registry_.CountRequests(LayerPath(0)), 1u);
  EXPECT_EQ(registry_.CountRequests(LayerPath(1)), 0u);
}

TEST_F(RegistryTest, MirrorWithAnotherValidArchive) {
  // It unpacks well; only the digest tells.
  FakeResponse other;
  other.body = Gzip(TarBuilder().File("g", "x").File("evil", "evil").Build());
  Answer(mirror_, LayerPath(1), other);
  PullWorks();
  EXPECT_EQ(FileInImage(made_.id(), "evil"), "(none)");
}

TEST_F(RegistryTest, WrongEverywhereNamesBoth) {
  FakeResponse garbage;
  garbage.body = std::string(made_.layers[0].blob.size(), 'x');
  Answer(mirror_, LayerPath(0), garbage);
  Answer(registry_, LayerPath(0), garbage);
  const auto failed = Pull(Name());
  EXPECT_EQ(failed.status().code(), Code::kDataLoss);
  EXPECT_THAT(failed.status().message(), HasSubstr("layer 1 of 2"));
  EXPECT_THAT(failed.status().message(), HasSubstr("; before: "));
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

TEST_F(RegistryTest, MirrorWithHtmlInsteadOfAManifest) {
  FakeResponse html;
  html.body = "<html>log in</html>";
  Answer(mirror_, "/manifests/", html);
  PullWorks();
}

TEST_F(RegistryTest, MirrorWithAWrongConfig) {
  FakeResponse config;
  config.body = std::string(made_.config.size(), ' ');
  Answer(mirror_, "/blobs/" + made_.id(), config);
  PullWorks();
}

TEST_F(RegistryTest, MirrorBreaksAndTheRegistryGoesOn) {
  mirror_.SetHook([this](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(LayerPath(0)) == std::string::npos) return std::nullopt;
    FakeResponse out;
    out.body = made_.layers[0].blob.substr(0, 50);
    out.claimed_length = made_.layers[0].blob.size();
    if (!request.Header("range").empty()) out.status = 404;
    return out;
  });
  PullWorks();
  EXPECT_TRUE(SawHeader(registry_, "range", "bytes=50-"));
}

TEST_F(RegistryTest, MirrorOnlyForDigests) {
  const std::string hosts = dir_ / ("certs/" + registry_.host());
  ASSERT_TRUE(EnsureDirectory(hosts).ok());
  ASSERT_TRUE(WriteFile(hosts + "/hosts.toml",
                        "[host.\"http://" + mirror_.host() + "\"]\ncapabilities = [\"pull\"]\n")
                  .ok());
  options_.registries.clear();
  options_.registry_files.certs_dirs = {dir_ / "certs"};
  OpenService();
  PullWorks();
  EXPECT_EQ(registry_.requests().size(), 1u);  // the tag
  EXPECT_EQ(mirror_.CountRequests("/manifests/v1"), 0u);
  EXPECT_EQ(mirror_.CountRequests("?ns=" + registry_.host()), 3u);
}

TEST_F(RegistryTest, RegistriesConfRewritesAndReloads) {
  const std::string conf = dir_ / "registries.conf";
  options_.registries.clear();
  options_.registry_files.registries_conf = conf;
  ASSERT_TRUE(WriteFile(conf, "[[registry]]\nprefix = \"example.test/team\"\nlocation = \"" +
                                  registry_.host() +
                                  "\"\n[aliases]\nmine = \"example.test/team/app\"\n")
                  .ok());
  OpenService();
  const auto id = Pull("example.test/team/app:v1");
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_NE(*service().Find("example.test/team/app:v1"), nullptr);
  EXPECT_NE(*service().Find("mine:v1"), nullptr);
  ASSERT_TRUE(service().Remove("mine:v1").ok());
  EXPECT_TRUE(service().List().empty());
  ASSERT_TRUE(Pull("mine:v1").ok());
  EXPECT_EQ(service().List()[0]->repo_tags[0], "example.test/team/app:v1");

  ASSERT_TRUE(WriteFile(conf, "[[registry]]\nlocation = \"example.test\"\nblocked = true\n").ok());
  ASSERT_TRUE(service().Reload({{}, {}, {}}).ok());
  EXPECT_EQ(Pull("example.test/team/app:v1").status().code(), Code::kPermissionDenied);
  ASSERT_TRUE(WriteFile(conf, "not toml").ok());
  EXPECT_THAT(service().Reload({{}, {}, {}}).message(), HasSubstr("registries.conf:1"));
  EXPECT_EQ(Pull("example.test/team/app:v1").status().code(), Code::kPermissionDenied);
  OpenService();  // starts, but pulls nothing past a file that it cannot read
  EXPECT_EQ(Pull(Name()).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(service().List().size(), 1u);
}

TEST_F(RegistryTest, PrivateHeadersAndCredentialsStayHere) {
  // The registry sends its blobs' readers to another host.
  registry_.SetHook([this](const FakeRequest& request) -> std::optional<FakeResponse> {
    FakeResponse out;
    if (request.Header("authorization").empty()) {
      out.status = 401;
      out.headers = {"WWW-Authenticate: Basic realm=\"r\""};
      return out;
    }
    if (request.target.find("/blobs/") == std::string::npos) return std::nullopt;
    out.status = 307;
    out.headers = {"Location: http://" + mirror_.host() + request.target};
    return out;
  });
  options_.registries[registry_.host()].mirrors.clear();
  options_.registries[registry_.host()].headers["X-Secret"] = "hush";
  OpenService();
  RegistryAuth auth;
  auth.username = "user";
  auth.password = "secret";
  const auto id = Pull(Name(), auth);
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_TRUE(SawHeader(registry_, "x-secret", "hush"));
  EXPECT_EQ(mirror_.requests().size(), 3u);
  for (const FakeRequest& request : mirror_.requests()) {
    EXPECT_EQ(request.Header("authorization"), "");
    EXPECT_EQ(request.Header("x-secret"), "");
  }
}

TEST_F(RegistryTest, ChallengesFromElsewhereAreNotAnswered) {
  options_.registries.clear();
  OpenService();
  mirror_.SetHook([this](const FakeRequest&) -> std::optional<FakeResponse> {
    FakeResponse out;
    out.status = 401;
    out.headers = {"WWW-Authenticate: Bearer realm=\"http://" + mirror_.host() + "/token\""};
    return out;
  });
  FakeResponse away;
  away.status = 302;
  away.headers = {"Location: http://" + mirror_.host() + "/phish"};
  Answer(registry_, "/blobs/", away);
  RegistryAuth auth;
  auth.username = "user";
  auth.password = "secret";
  EXPECT_EQ(Pull(Name(), auth).status().code(), Code::kUnauthenticated);
  EXPECT_EQ(mirror_.CountRequests("/token"), 0u);
  EXPECT_FALSE(SawHeader(mirror_, "authorization", "Basic dXNlcjpzZWNyZXQ="));
}

TEST_F(RegistryTest, IdentityTokensAreNotPostedElsewhere) {
  options_.registries.clear();
  OpenService();
  registry_.SetHook([this](const FakeRequest& request) -> std::optional<FakeResponse> {
    FakeResponse out;
    if (request.target.starts_with("/token")) {
      out.status = 307;
      out.headers = {"Location: http://" + mirror_.host() + "/token"};
      return out;
    }
    out.status = 401;
    out.headers = {"WWW-Authenticate: Bearer realm=\"http://" + registry_.host() + "/token\""};
    return out;
  });
  RegistryAuth auth;
  auth.identity_token = "long-lived";
  const auto failed = Pull(Name(), auth);
  EXPECT_THAT(failed.status().message(), HasSubstr("redirects a POST"));
  EXPECT_THAT(failed.status().message(), Not(HasSubstr("long-lived")));
  EXPECT_EQ(mirror_.requests().size(), 0u);
}

TEST_F(RegistryTest, CredentialFiles) {
  for (FakeRegistry* registry : {&registry_, &mirror_}) {
    registry->SetHook([registry, this](const FakeRequest& request) -> std::optional<FakeResponse> {
      // mirror:m and user:secret
      const bool is_mirror = registry == &mirror_;
      const std::string want = is_mirror ? "Basic bWlycm9yOm0=" : "Basic dXNlcjpzZWNyZXQ=";
      if (request.Header("authorization") == want) {
        if (!is_mirror) return std::nullopt;
        FakeResponse gone;
        gone.status = 404;
        return gone;
      }
      FakeResponse out;
      out.status = 401;
      out.headers = {"WWW-Authenticate: Basic realm=\"r\""};
      return out;
    });
  }
  options_.registry_files.auth_file = dir_ / "auth.json";
  options_.registry_files.namespace_auth_dir = dir_ / "auths";
  ASSERT_TRUE(EnsureDirectory(dir_ / "auths").ok());
  const auto entry = [](const std::string& host, const std::string& auth) {
    return Json{{"auths", {{host, {{"auth", auth}}}}}}.dump();
  };
  ASSERT_TRUE(WriteFile(dir_ / "auth.json", entry(mirror_.host(), "bWlycm9yOm0=")).ok());
  ASSERT_TRUE(
      WriteFile(dir_ / "auths/team.json", entry(registry_.host(), "dXNlcjpzZWNyZXQ=")).ok());
  OpenService();
  EXPECT_EQ(Pull(Name()).status().code(), Code::kUnauthenticated);
  PullRequest request;
  request.reference = Name();
  request.pod_namespace = "team";
  const auto id = service().Pull(request);
  EXPECT_TRUE(id.ok()) << id.status().message();
  EXPECT_TRUE(SawHeader(mirror_, "authorization", "Basic bWlycm9yOm0="));
  EXPECT_FALSE(SawHeader(mirror_, "authorization", "Basic dXNlcjpzZWNyZXQ="));
  ASSERT_TRUE(WriteFile(dir_ / "auths/team.json", "secret").ok());
  const auto broken = service().Pull(request);
  EXPECT_THAT(broken.status().message(), HasSubstr("team.json"));
  EXPECT_THAT(broken.status().message(), Not(HasSubstr("secret")));
}

TEST_F(RegistryTest, RetryAfterIsObeyed) {
  options_.registries.clear();
  OpenService();
  std::atomic<int> tries{0};
  std::string after = "1";
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(LayerPath(0)) == std::string::npos || tries++ > 0) return std::nullopt;
    FakeResponse out;
    out.status = 429;
    out.headers = {"Retry-After: " + after};
    return out;
  });
  const MonoTime start = MonoNow();
  PullWorks();
  EXPECT_GE(MonoNow() - start, std::chrono::milliseconds(950));
  ASSERT_TRUE(service().Remove(Name()).ok());
  tries = 0;
  after = "86400";
  const auto later = Pull(Name());
  EXPECT_EQ(later.status().code(), Code::kResourceExhausted);
  EXPECT_THAT(later.status().message(), HasSubstr("come back in 86400 s"));
}

TEST_F(RegistryTest, StalledTransfersGoOn) {
  options_.registries.clear();
  OpenService();
  std::atomic<int> tries{0};
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(LayerPath(0)) == std::string::npos || tries++ > 0) return std::nullopt;
    FakeResponse out;
    out.body = made_.layers[0].blob.substr(0, 60);
    out.claimed_length = made_.layers[0].blob.size();
    out.write_body = [this](int) {
      for (int i = 0; i < 50 && !registry_.stopping(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    };
    return out;
  });
  PullWorks();
  EXPECT_TRUE(SawHeader(registry_, "range", "bytes=60-"));
}

TEST_F(RegistryTest, ProxyFromTheEnvironment) {
  options_.registries.clear();
  OpenService();
  ASSERT_EQ(::setenv("HTTP_PROXY", ("http://" + mirror_.host()).c_str(), 1), 0);
  mirror_.SetHook([](const FakeRequest& request) -> std::optional<FakeResponse> {
    FakeResponse out;
    out.status = request.target.starts_with("http://registry.test/") ? 403 : 404;
    return out;
  });
  RegistryOptions plain;
  plain.plain_http = true;
  ASSERT_TRUE(service().Reload({{{"registry.test", plain}}, {}, {}}).ok());
  const auto through = Pull("registry.test/app:v1");
  ASSERT_EQ(::unsetenv("HTTP_PROXY"), 0);
  EXPECT_EQ(through.status().code(), Code::kPermissionDenied) << through.status().message();
}

// Two pulls of two layers each; how many layers came at a time.
class SlotsTest : public RegistryTest {
 protected:
  int MostAtATime() {
    options_.registries.clear();
    OpenService();
    std::vector<MadeLayer> layers;
    for (int i = 0; i < 4; ++i) {
      layers.push_back(GzipLayer(TarBuilder().File("f" + std::to_string(i), "x").Build()));
    }
    Put(registry_, MakeImage({layers[0], layers[1]}), "a");
    Put(registry_, MakeImage({layers[2], layers[3]}), "b");
    std::atomic<int> now{0};
    std::atomic<int> most{0};
    registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
      for (const MadeLayer& layer : layers) {
        if (request.target.find(Sha256(layer.blob)) == std::string::npos) continue;
        const int running = ++now;
        for (int seen = most; running > seen && !most.compare_exchange_weak(seen, running);) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        --now;
      }
      return std::nullopt;
    });
    std::thread other([&] { EXPECT_TRUE(Pull(registry_.host() + "/app:a").ok()); });
    EXPECT_TRUE(Pull(registry_.host() + "/app:b").ok());
    other.join();
    return most;
  }
};

TEST_F(SlotsTest, AreSharedByAllPulls) {
  options_.transfers = 1;
  EXPECT_LE(MostAtATime(), 2);  // one each in any case
}

TEST_F(SlotsTest, OnePullAfterTheOther) {
  options_.parallel_pulls = 1;
  EXPECT_EQ(MostAtATime(), 2);
}

TEST_F(RegistryTest, ProgressIsSeen) {
  options_.registries.clear();
  OpenService();
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(LayerPath(1)) != std::string::npos) {
      std::this_thread::sleep_for(std::chrono::milliseconds(700));
    }
    return std::nullopt;
  });
  std::thread puller([&] { EXPECT_TRUE(Pull(Name()).ok()); });
  bool seen = false;
  for (int i = 0; i < 100 && !seen; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    for (const PullProgress& pull : service().Pulls()) {
      seen = pull.reference == Name() && pull.layers_total == 2 && pull.layers_ready == 1 &&
             pull.bytes_received == static_cast<int64_t>(made_.layers[0].blob.size()) &&
             pull.bytes_total > pull.bytes_received;
    }
  }
  puller.join();
  EXPECT_TRUE(seen);
  EXPECT_TRUE(service().Pulls().empty());
  EXPECT_EQ(telemetry_.GetCounter("crisp_image_pulled_bytes_total", "").value(),
            made_.layers[0].blob.size() + made_.layers[1].blob.size());
}

}  // namespace
}  // namespace crisp::image
