// Which addresses a name is pulled from, and who gets which credentials.
#include "image/registry/registry_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/file.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Strings = std::vector<std::string>;

MirrorOptions At(const std::string& location) {
  MirrorOptions out;
  out.location = location;
  return out;
}

class Resolver : public testing::Test {
 protected:
  Result<std::shared_ptr<const RegistryResolver>> Load() {
    return RegistryResolver::Load(registries_, files_);
  }
  std::vector<PullerEndpoint> Endpoints(const std::string& reference, PullIdentity who = {}) {
    const auto resolver = Load();
    EXPECT_TRUE(resolver.ok()) << resolver.status().message();
    const auto out = (*resolver)->Endpoints(*Reference::Parse(reference), who);
    EXPECT_TRUE(out.ok()) << out.status().message();
    return out.ok() ? *out : std::vector<PullerEndpoint>();
  }
  // "url repository" and what is special.
  Strings Shown(const std::string& reference, const PullIdentity& who = {}) {
    Strings out;
    for (const PullerEndpoint& e : Endpoints(reference, who)) {
      out.push_back(Cat(e.url, " ", e.repository, e.options.skip_tls_verify ? " skip" : "",
                        e.query.empty() ? "" : " " + e.query, e.override_path ? " override" : "",
                        e.resolve ? "" : " digests", e.auth.username.empty() ? "" : " +",
                        e.auth.username));
    }
    return out;
  }
  void WriteConf(const std::string& text) {
    files_.registries_conf = dir_ / "registries.conf";
    ASSERT_TRUE(WriteFile(files_.registries_conf, text).ok());
  }
  void WriteHosts(const std::string& host, const std::string& text) {
    files_.certs_dirs = {dir_ / "certs.d"};
    ASSERT_TRUE(EnsureDirectory(dir_ / ("certs.d/" + host)).ok());
    ASSERT_TRUE(WriteFile(dir_ / ("certs.d/" + host + "/hosts.toml"), text).ok());
  }
  static PullIdentity User(const std::string& server_address = {}) {
    PullIdentity who;
    who.auth.username = "u";
    who.auth.server_address = server_address;
    return who;
  }

  TempDir dir_;
  std::map<std::string, RegistryOptions> registries_;
  RegistryFiles files_;
  const std::string digest_ = "@sha256:" + std::string(64, 'a');
};

TEST_F(Resolver, SchemesAndNames) {
  EXPECT_EQ(Shown("nginx", User()), Strings{"https://registry-1.docker.io library/nginx +u"});
  EXPECT_EQ(Shown("quay.io/x", User()), Strings{"https://quay.io x +u"});
  EXPECT_EQ(Shown("localhost:5000/x"), Strings{"http://localhost:5000 x"});
  EXPECT_EQ(Shown("127.0.0.2/x"), Strings{"http://127.0.0.2 x"});
  EXPECT_EQ(Shown("[::1]:5000/x"), Strings{"http://[::1]:5000 x"});
  EXPECT_EQ(Shown("127.0.0.1.evil.io/x"), Strings{"https://127.0.0.1.evil.io x"});
  EXPECT_EQ(Shown("localhost.evil.io/x"), Strings{"https://localhost.evil.io x"});
  registries_["r.io"].plain_http = true;
  EXPECT_EQ(Shown("r.io/x"), Strings{"http://r.io x"});
  registries_["127.0.0.1:1"].ca_files = {"/ca"};
  EXPECT_EQ(Shown("127.0.0.1:1/x"), Strings{"https://127.0.0.1:1 x"});
}

TEST_F(Resolver, MirrorsComeFirstWithoutCredentials) {
  MirrorOptions with_path = At("third.io/cache");
  with_path.skip_tls_verify = true;
  MirrorOptions overridden = At("https://fourth.io/api/proxy");
  overridden.override_path = true;
  registries_["docker.io"].mirrors = {At("mirror.io"), At("http://other.io:80/"), with_path,
                                      overridden};
  EXPECT_EQ(
      Shown("a/b", User()),
      (Strings{"https://mirror.io a/b", "http://other.io:80 a/b", "https://third.io cache/a/b skip",
               "https://fourth.io/api/proxy a/b override", "https://registry-1.docker.io a/b +u"}));
  EXPECT_EQ(Shown("a/b", User("https://index.docker.io/v1/")).back(),
            "https://registry-1.docker.io a/b +u");
  const Strings named = Shown("a/b", User("mirror.io"));
  EXPECT_EQ(named.front(), "https://mirror.io a/b +u");
  EXPECT_EQ(named.back(), "https://registry-1.docker.io a/b");
}

TEST_F(Resolver, MirrorsForTagsAndForDigests) {
  MirrorOptions tags = At("t.io");
  tags.use = MirrorUse::kTagOnly;
  MirrorOptions digests = At("d.io");
  digests.use = MirrorUse::kDigestOnly;
  registries_["r.io"].mirrors = {tags, digests};
  EXPECT_EQ(Shown("r.io/x:1"), (Strings{"https://t.io x", "https://r.io x"}));
  EXPECT_EQ(Shown("r.io/x" + digest_), (Strings{"https://d.io x", "https://r.io x"}));
}

TEST_F(Resolver, DefaultSection) {
  registries_["_default"].mirrors = {At("m.io")};
  registries_["own.io"] = {};
  EXPECT_EQ(Shown("x.io/a"), (Strings{"https://m.io a", "https://x.io a"}));
  EXPECT_EQ(Shown("own.io/a"), Strings{"https://own.io a"});
  registries_["_default"].skip_tls_verify = true;
  registries_["_default"].headers["X-Token"] = "secret";
  EXPECT_EQ(Shown("x.io/a"), (Strings{"https://m.io a skip", "https://x.io a skip"}));
  EXPECT_TRUE(Endpoints("x.io/a")[1].options.headers.empty());
  EXPECT_EQ(Shown("own.io/a"), Strings{"https://own.io a"});
}

TEST_F(Resolver, Blocked) {
  registries_["a.io"].blocked = true;
  WriteConf("[[registry]]\nlocation = \"b.io/team\"\nblocked = true\n");
  const auto resolver = *Load();
  EXPECT_EQ(resolver->Endpoints(*Reference::Parse("a.io/x"), {}).status().code(),
            Code::kPermissionDenied);
  const Status conf = resolver->Endpoints(*Reference::Parse("b.io/team/x"), {}).status();
  EXPECT_EQ(conf.code(), Code::kPermissionDenied);
  EXPECT_THAT(conf.message(), HasSubstr("registries.conf:1"));
  EXPECT_EQ(Shown("b.io/x"), Strings{"https://b.io x"});
}

TEST_F(Resolver, RegistriesConf) {
  WriteConf(R"(
[[registry]]
prefix = "r.io/team"
location = "internal:5000/copy"
insecure = true
[[registry.mirror]]
location = "m.io/x"
)");
  EXPECT_EQ(Shown("r.io/team/app", User()),
            (Strings{"https://m.io x/app", "https://internal:5000 copy/app skip",
                     "http://internal:5000 copy/app"}));
  EXPECT_EQ(Shown("r.io/app", User()), Strings{"https://r.io app +u"});
  registries_["r.io"] = {};  // crisp's own configuration wins
  EXPECT_EQ(Shown("r.io/team/app"), Strings{"https://r.io team/app"});
}

TEST_F(Resolver, RegistriesConfMustNotEatTheRepository) {
  WriteConf("[[registry]]\nprefix = \"r.io/team/app\"\nlocation = \"internal:5000\"\n");
  const auto out = (*Load())->Endpoints(*Reference::Parse("r.io/team/app"), {});
  EXPECT_THAT(out.status().message(), HasSubstr("no repository"));
}

TEST_F(Resolver, HostsToml) {
  WriteHosts("r.io", R"(
server = "https://r.io"
[host."http://m.io"]
capabilities = ["pull"]
[host."https://q.io/api"]
override_path = true
)");
  EXPECT_EQ(Shown("r.io/a", User()),
            (Strings{"http://m.io a ns=r.io digests", "https://q.io/api a ns=r.io override",
                     "https://r.io a +u"}));
  WriteHosts("_default", "[host.\"https://any.io\"]\n");
  EXPECT_EQ(Shown("x.io/a"), (Strings{"https://any.io a ns=x.io", "https://x.io a"}));
}

TEST_F(Resolver, CertificatesOfAnAddressThatIsAMirror) {
  WriteHosts("m.io", "server = \"https://m.io\"\nskip_verify = true\n");
  registries_["r.io"].mirrors = {At("m.io")};
  EXPECT_EQ(Shown("r.io/a"), (Strings{"https://m.io a skip", "https://r.io a"}));
}

TEST_F(Resolver, CredentialFiles) {
  files_.auth_file = dir_ / "auth.json";
  files_.namespace_auth_dir = dir_.path();
  ASSERT_TRUE(WriteFile(files_.auth_file, R"({"auths": {"m.io": {"username": "mirror"},
      "r.io": {"username": "node"}, "docker.io": {"username": "hub"}}})")
                  .ok());
  ASSERT_TRUE(WriteFile(dir_ / "team.json", R"({"auths": {"r.io/a": {"username": "team"}}})").ok());
  registries_["r.io"].mirrors = {At("m.io"), At("other.io")};
  EXPECT_EQ(Shown("r.io/a"),
            (Strings{"https://m.io a +mirror", "https://other.io a", "https://r.io a +node"}));
  PullIdentity who;
  who.pod_namespace = "team";
  EXPECT_EQ(Shown("r.io/a", who).back(), "https://r.io a +team");
  EXPECT_EQ(Shown("r.io/b", who).back(), "https://r.io b +node");
  who.pod_namespace = "../team";
  EXPECT_EQ(Shown("r.io/a", who).back(), "https://r.io a +node");
  // What the request brings wins.
  EXPECT_EQ(Shown("r.io/a", User()).back(), "https://r.io a +u");
  EXPECT_EQ(Shown("nginx").back(), "https://registry-1.docker.io library/nginx +hub");
}

TEST_F(Resolver, Candidates) {
  const auto names = [&](const std::string& text) {
    Strings out;
    for (const Reference& r : *(*Load())->Candidates(text)) out.push_back(r.ToString());
    return out;
  };
  EXPECT_THAT(names("fedora:41"), ElementsAre("docker.io/library/fedora:41"));
  WriteConf(
      "unqualified-search-registries = [\"q.io\", \"docker.io\"]\n[aliases]\n"
      "fedora = \"f.org/fedora\"\n\"a/b\" = \"r:5000/c\"\n");
  EXPECT_THAT(names("fedora:41"), ElementsAre("f.org/fedora:41"));
  EXPECT_THAT(names("fedora" + digest_), ElementsAre("f.org/fedora" + digest_));
  EXPECT_THAT(names("a/b"), ElementsAre("r:5000/c:latest"));
  EXPECT_THAT(names("x:1"), ElementsAre("q.io/x:1", "docker.io/library/x:1"));
  EXPECT_THAT(names("localhost:5000/fedora"), ElementsAre("localhost:5000/fedora:latest"));
  EXPECT_THAT(names("docker.io/fedora"), ElementsAre("docker.io/library/fedora:latest"));
}

}  // namespace
}  // namespace crisp::image
