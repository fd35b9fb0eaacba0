// registries.conf, hosts.toml, certs.d and credential files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/file.h"
#include "image/registry/credentials.h"
#include "image/registry/hosts_toml.h"
#include "image/registry/registries_conf.h"
#include "image/registry/toml_text.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

RegistriesConf Conf(const std::string& text) {
  RegistriesConf out;
  const Status status = out.Add(text, "r.conf");
  EXPECT_TRUE(status.ok()) << status.message();
  return out;
}

std::string ConfError(const std::string& text) {
  RegistriesConf out;
  const Status status = out.Add(text, "r.conf");
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << text;
  return status.message();
}

TEST(ParseToml, KeepsOrderAndLines) {
  const auto parsed = ParseToml("z = 1\n[b]\nx = true\n[a]\ny = [\"1\", \"2\"]\n", "f");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  ASSERT_EQ(parsed->entries.size(), 3u);
  EXPECT_EQ(parsed->entries[0].first, "z");
  EXPECT_EQ(parsed->entries[1].first, "b");
  EXPECT_EQ(parsed->entries[2].second.Find("y")->items[1].text, "2");
  EXPECT_EQ(parsed->entries[2].second.line, 4);
  EXPECT_TRUE(*TomlBool(parsed->entries[1].second, "x", false));
}

TEST(ParseToml, TellsFileAndLine) {
  EXPECT_THAT(ParseToml("a = 1\nb = \n", "dir/f").status().message(), HasSubstr("dir/f:2: "));
  EXPECT_THAT(TomlString(*ParseToml("\na = 1", "f"), "a").status().message(),
              HasSubstr("f:2: a: found an integer; allowed: a string"));
  EXPECT_FALSE(ParseToml("a = " + std::string(100000, '['), "f").ok());
  EXPECT_FALSE(ParseToml(std::string(kMaxTomlBytes + 1, ' '), "f").ok());
  EXPECT_FALSE(ParseToml("a = \"\xff\xfe\"", "f").ok());
  EXPECT_THAT(ParseToml("a = 1\n\uFE96a = 2\n", "f").status().message(), HasSubstr("f:2: "));
  EXPECT_TRUE(ParseToml("\uFEFFa = '#' # \u00e9\nb = \"x\\\"#\" # \uFE96\n", "f").ok());
  EXPECT_FALSE(ParseToml("a = '# \u00e9'", "f").ok());
  EXPECT_FALSE(ParseToml("a = [\u00e9]", "f").ok());
  EXPECT_FALSE(ParseToml("a = \"\"\"\\\n\u00e9\"\"\"", "f").ok());
  for (const char* header : {"[%", "[[[", "[\n", "[ =", "[a.%]", "a.% = 1"}) {
    EXPECT_FALSE(ParseToml(header, "f").ok()) << header;
  }
}

TEST(RegistriesConf, LongestPrefixWins) {
  const RegistriesConf conf = Conf(R"(
[[registry]]
location = "example.com"
insecure = true
[[registry]]
prefix = "example.com/team"
location = "internal:5000/mirror"
[[registry]]
prefix = "*.example.com"
location = "wild:1"
[[registry]]
location = "bad.io"
blocked = true
)");
  EXPECT_TRUE(conf.Find("example.com/a/b")->registry->insecure);
  const auto team = conf.Find("example.com/team/app");
  ASSERT_TRUE(team);
  EXPECT_EQ(team->Rewrite("example.com/team/app", team->registry->location),
            "internal:5000/mirror/app");
  EXPECT_EQ(conf.Find("example.com/teamwork/app")->registry->prefix, "example.com");
  EXPECT_FALSE(conf.Find("example.community/x"));
  const auto wild = conf.Find("a.b.example.com:5000/x/y");
  ASSERT_TRUE(wild);
  EXPECT_EQ(wild->Rewrite("a.b.example.com:5000/x/y", wild->registry->location), "wild:1/x/y");
  EXPECT_TRUE(conf.Find("bad.io/x")->registry->blocked);
  EXPECT_FALSE(conf.Find("quay.io/x"));
}

TEST(RegistriesConf, MirrorsAndTheirUse) {
  const RegistriesConf conf = Conf(R"(
[[registry]]
location = "a.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m1/x/"
insecure = true
[[registry.mirror]]
location = "m2"
pull-from-mirror = "tag-only"
)");
  const auto& mirrors = conf.Find("a.io/b")->registry->mirrors;
  ASSERT_EQ(mirrors.size(), 2u);
  EXPECT_EQ(mirrors[0].location, "m1/x");
  EXPECT_TRUE(mirrors[0].insecure);
  EXPECT_EQ(mirrors[0].use, MirrorUse::kDigestOnly);
  EXPECT_EQ(mirrors[1].use, MirrorUse::kTagOnly);
}

TEST(RegistriesConf, ShortNames) {
  RegistriesConf conf = Conf(R"(
unqualified-search-registries = ["docker.io", "quay.io"]
[aliases]
"fedora" = "registry.fedoraproject.org/fedora"
"mine/app" = "r:5000/mine/app"
)");
  EXPECT_THAT(*conf.Candidates("fedora"), ElementsAre("registry.fedoraproject.org/fedora"));
  EXPECT_THAT(*conf.Candidates("mine/app"), ElementsAre("r:5000/mine/app"));
  EXPECT_THAT(*conf.Candidates("app"), ElementsAre("docker.io/library/app", "quay.io/app"));
  ASSERT_TRUE(conf.Add("short-name-mode = \"enforcing\"\n[aliases]\nfedora = \"\"\n", "2").ok());
  EXPECT_THAT(conf.Candidates("fedora").status().message(), HasSubstr("enforcing"));
  ASSERT_TRUE(conf.Add("unqualified-search-registries = [\"quay.io\"]\n", "3").ok());
  EXPECT_THAT(*conf.Candidates("fedora"), ElementsAre("quay.io/fedora"));
}

TEST(RegistriesConf, VersionOne) {
  const RegistriesConf conf = Conf(R"(
[registries.search]
registries = ["quay.io"]
[registries.insecure]
registries = ["old:5000"]
[registries.block]
registries = ["bad.io"]
)");
  EXPECT_THAT(*conf.Candidates("app"), ElementsAre("quay.io/app"));
  EXPECT_TRUE(conf.Find("old:5000/x")->registry->insecure);
  EXPECT_TRUE(conf.Find("bad.io/x")->registry->blocked);
}

TEST(RegistriesConf, RefusesWithFileAndLine) {
  EXPECT_THAT(ConfError("[[registry]]\nlocation = \"https://a\"\n"), HasSubstr("r.conf:2: "));
  EXPECT_THAT(ConfError("[[registry]]\ninsecure = true\n"), HasSubstr("neither"));
  EXPECT_THAT(ConfError("[[registry]]\nprefix = \"*.a/b\"\n"), HasSubstr("*.domain"));
  EXPECT_THAT(ConfError("[[registry]]\nlocation=\"a\"\nblocked=1\n"), HasSubstr("true | false"));
  EXPECT_THAT(ConfError("registry = 1\n"), HasSubstr("[[registry]]"));
  EXPECT_THAT(ConfError("[[registry]]\nlocation=\"a\"\n[[registry.mirror]]\ninsecure=true\n"),
              HasSubstr("no location"));
  EXPECT_THAT(ConfError("short-name-mode = \"x\"\n"), HasSubstr("permissive"));
}

TEST(RegistriesConf, LoadsDropInsInOrder) {
  const TempDir dir;
  ASSERT_TRUE(EnsureDirectory(dir / "r.conf.d").ok());
  ASSERT_TRUE(WriteFile(dir / "r.conf", "[[registry]]\nlocation = \"a.io\"\n").ok());
  ASSERT_TRUE(
      WriteFile(dir / "r.conf.d/2.conf", "[[registry]]\nlocation = \"a.io\"\nblocked = true\n")
          .ok());
  ASSERT_TRUE(
      WriteFile(dir / "r.conf.d/1.conf", "[[registry]]\nlocation = \"a.io\"\ninsecure = true\n")
          .ok());
  ASSERT_TRUE(WriteFile(dir / "r.conf.d/not", "garbage").ok());
  const auto conf = RegistriesConf::Load(dir / "r.conf");
  ASSERT_TRUE(conf.ok()) << conf.status().message();
  EXPECT_TRUE(conf->Find("a.io/x")->registry->blocked);
  EXPECT_FALSE(conf->Find("a.io/x")->registry->insecure);
  EXPECT_TRUE(RegistriesConf::Load(dir / "none").ok());
  ASSERT_TRUE(WriteFile(dir / "r.conf.d/3.conf", "garbage").ok());
  EXPECT_THAT(RegistriesConf::Load(dir / "r.conf").status().message(), HasSubstr("3.conf:1"));
}

TEST(HostsToml, EverythingInOrder) {
  const auto hosts = ParseHostsToml(R"(
server = "https://registry.example"
ca = "server.crt"
[host."https://z-first:5000"]
  capabilities = ["pull"]
  ca = ["a.crt", "/abs/b.crt"]
  client = [["c.cert", "c.key"], ["d.cert", "d.key"]]
  skip_verify = true
[host."https://z-first:5000".header]
  x-token = ["1", "2"]
[host."http://a-second/v2/proxy"]
  override_path = true
  client = "both.pem"
)",
                                    "f", "/d");
  ASSERT_TRUE(hosts.ok()) << hosts.status().message();
  ASSERT_EQ(hosts->hosts.size(), 2u);
  const HostsFile::Host& first = hosts->hosts[0];
  EXPECT_EQ(first.url, "https://z-first:5000");
  EXPECT_TRUE(first.pull);
  EXPECT_FALSE(first.resolve);
  EXPECT_THAT(first.endpoint.ca_files, ElementsAre("/d/a.crt", "/abs/b.crt"));
  EXPECT_TRUE(first.endpoint.ca_adds_to_system);
  EXPECT_EQ(first.endpoint.client_key_file, "/d/c.key");
  EXPECT_TRUE(first.endpoint.skip_tls_verify);
  EXPECT_EQ(first.endpoint.headers.at("x-token"), "1, 2");
  EXPECT_TRUE(hosts->hosts[1].override_path);
  EXPECT_EQ(hosts->hosts[1].endpoint.client_key_file, "/d/both.pem");
  EXPECT_EQ(hosts->server->url, "https://registry.example");
  EXPECT_THAT(hosts->server->endpoint.ca_files, ElementsAre("/d/server.crt"));
}

TEST(HostsToml, Refuses) {
  const auto error = [](const std::string& text) {
    const auto hosts = ParseHostsToml(text, "f", "/d");
    EXPECT_EQ(hosts.status().code(), Code::kInvalidArgument) << text;
    return hosts.status().message();
  };
  EXPECT_THAT(error("[host.\"ftp://x\"]\n"), HasSubstr("f:1: host: 'ftp://x'"));
  EXPECT_THAT(error("[host.a]\ncapabilities = [\"fly\"]\n"), HasSubstr("pull | resolve"));
  EXPECT_THAT(error("[host.a]\nskip_verify = \"yes\"\n"), HasSubstr("true | false"));
  EXPECT_THAT(error("host = 3\n"), HasSubstr("tables"));
}

TEST(HostsToml, FoundByHostAlsoWithoutColon) {
  const TempDir dir;
  for (const char* name : {"one", "two", "two/r_5000_", "two/certs:1"}) {
    ASSERT_TRUE(EnsureDirectory(dir / name).ok());
  }
  ASSERT_TRUE(WriteFile(dir / "two/r_5000_/hosts.toml", "[host.m]\n").ok());
  const std::vector<std::string> dirs = {dir / "none", dir / "one", dir / "two"};
  const auto found = FindHostsFile(dirs, "r:5000");
  ASSERT_TRUE(found.ok() && *found);
  EXPECT_EQ((*found)->hosts[0].url, "https://m");
  EXPECT_FALSE(*FindHostsFile(dirs, "r:5001"));
  for (const char* name : {"ca.crt", "x.cert", "x.key"}) {
    ASSERT_TRUE(WriteFile(dir / ("two/certs:1/" + std::string(name)), "").ok());
  }
  const auto certs = FindHostsFile(dirs, "certs:1");
  ASSERT_TRUE(certs.ok() && *certs) << certs.status().message();
  EXPECT_THAT((*certs)->defaults.ca_files, ElementsAre(dir / "two/certs:1/ca.crt"));
  EXPECT_EQ((*certs)->defaults.client_key_file, dir / "two/certs:1/x.key");
  ASSERT_TRUE(WriteFile(dir / "two/certs:1/a.cert", "").ok());
  EXPECT_THAT(FindHostsFile(dirs, "certs:1").status().message(), HasSubstr("a.key"));
}

TEST(CredentialFile, LongestNameWins) {
  const auto file = CredentialFile::Parse(R"({"auths": {
    "https://index.docker.io/v1/": {"auth": "dTpwOnc="},
    "quay.io": {"username": "host", "password": "p"},
    "quay.io/team/": {"identitytoken": "it"},
    "r:5000": {"registrytoken": "rt"},
    "empty.io": {}},
    "credHelpers": {"x": "y"}})",
                                          "f");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->Find("docker.io/library/x")->username, "u");
  EXPECT_EQ(file->Find("docker.io/library/x")->password, "p:w");
  EXPECT_EQ(file->Find("quay.io/a/b")->username, "host");
  EXPECT_EQ(file->Find("quay.io/team/b")->identity_token, "it");
  EXPECT_EQ(file->Find("quay.io/teams")->username, "host");
  EXPECT_EQ(file->Find("r:5000/x")->registry_token, "rt");
  EXPECT_FALSE(file->Find("empty.io/x"));
  EXPECT_FALSE(file->Find("r/x"));
}

TEST(CredentialFile, MistakesShowNoSecrets) {
  for (const char* text :
       {R"({"auths": {"a": {"auth": "c2VjcmV0"}}})", R"({"auths": {"a": {"auth": "sec!ret"}}})",
        R"({"auths": {"a": "secret"}})", R"({"auths": {"a": {"auth": "secret")"}) {
    const auto file = CredentialFile::Parse(text, "f");
    ASSERT_FALSE(file.ok()) << text;
    EXPECT_THAT(file.status().message(), Not(HasSubstr("sec"))) << text;
    EXPECT_THAT(file.status().message(), HasSubstr("f: "));
  }
}

}  // namespace
}  // namespace crisp::image
