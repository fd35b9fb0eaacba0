#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "server/config/load.h"
#include "server/config/settings.h"
#include "server/config/yaml_reader.h"

namespace crisp::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A directory with programs called crun and runc, and a place for configuration files.
class ConfigLoadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = JoinPath(::testing::TempDir(), "crisp-config-XXXXXX");
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    dir_ = path;
    ASSERT_TRUE(EnsureDirectory(JoinPath(dir_, "bin")).ok());
    ASSERT_TRUE(WriteFile(JoinPath(dir_, "bin/crun"), "", 0755).ok());
    ASSERT_TRUE(WriteFile(JoinPath(dir_, "bin/runc"), "", 0755).ok());
    ASSERT_TRUE(EnsureDirectory(JoinPath(dir_, "conf.d")).ok());
    surroundings_.path = JoinPath(dir_, "bin");
    surroundings_.executable_dir = JoinPath(dir_, "bin");
    main_ = JoinPath(dir_, "crisp.yaml");
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(dir_).ok()); }

  void WriteMain(const std::string& text) { ASSERT_TRUE(WriteFile(main_, text).ok()); }
  void WriteDropIn(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFile(JoinPath(dir_, Cat("conf.d/", name)), text).ok());
  }
  Result<Loaded> LoadAll() { return Load(main_, true, surroundings_); }
  std::string ErrorOf(const std::string& text) {
    WriteMain(text);
    const Result<Loaded> loaded = LoadAll();
    EXPECT_FALSE(loaded.ok()) << text;
    EXPECT_EQ(loaded.status().code(), Code::kInvalidArgument);
    return loaded.status().message();
  }

  std::string dir_;
  std::string main_;
  Surroundings surroundings_;
};

TEST_F(ConfigLoadTest, DefaultsFollowFromEachOther) {
  WriteMain("state: /run/other\n");
  const Result<Loaded> loaded = LoadAll();
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  const Config& config = loaded->config;
  EXPECT_EQ(config.socket.path, "/run/other/crisp.sock");
  EXPECT_EQ(config.default_runtime, "crun");
  EXPECT_TRUE(config.default_runtime_found);
  EXPECT_TRUE(config.runtimes_found);
  EXPECT_EQ(config.runtimes.at("runc").root, "/run/other/runtime/runc");
  EXPECT_EQ(config.runtimes.at("crun").path, JoinPath(dir_, "bin/crun"));
  EXPECT_EQ(config.default_cgroup_parent, "/crisp");
  EXPECT_EQ(config.binaries.pull, "/usr/libexec/crisp/crisp-pull");
  EXPECT_EQ(config.default_capabilities.size(), 14u);
  EXPECT_EQ(config.default_sysctls.at("net.ipv4.ping_group_range"), "0 2147483647");
}

// Installed, they are in libexec/crisp of crispd's own prefix.
TEST_F(ConfigLoadTest, ProgramsAreFoundBesideAndBelowThePrefix) {
  ASSERT_TRUE(EnsureDirectory(JoinPath(dir_, "libexec/crisp")).ok());
  for (const char* name : {"bin/crisp-init", "libexec/crisp/crisp-init"}) {
    ASSERT_TRUE(WriteFile(JoinPath(dir_, name), "", 0755).ok());
  }
  ASSERT_TRUE(WriteFile(JoinPath(dir_, "libexec/crisp/crisp-monitor"), "", 0755).ok());
  WriteMain("");
  const Result<Loaded> loaded = LoadAll();
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_EQ(loaded->config.binaries.init, JoinPath(dir_, "bin/crisp-init"));
  EXPECT_EQ(loaded->config.binaries.monitor, JoinPath(dir_, "libexec/crisp/crisp-monitor"));
  EXPECT_EQ(loaded->config.binaries.pull, "/usr/libexec/crisp/crisp-pull");
}

TEST_F(ConfigLoadTest, TheSocketNeedsNothingElseOfTheMachine) {
  WriteMain("state: /run/other\nruntimes: {r: {path: no-such-program}}\n");
  EXPECT_FALSE(LoadAll().ok());
  Result<std::string> socket = LoadSocketPath(main_, true);
  ASSERT_TRUE(socket.ok()) << socket.status().ToString();
  EXPECT_EQ(*socket, "/run/other/crisp.sock");
  WriteDropIn("socket.yaml", "socket: {path: /run/x.sock}\n");
  EXPECT_EQ(*LoadSocketPath(main_, true), "/run/x.sock");
  WriteMain("no_such_key: 1\n");
  EXPECT_EQ(LoadSocketPath(main_, true).status().code(), Code::kInvalidArgument);
  const std::string missing = JoinPath(dir_, "conf.d/none.yaml");
  EXPECT_EQ(LoadSocketPath(missing, true).status().code(), Code::kNotFound);
  EXPECT_EQ(*LoadSocketPath(missing, false), "/run/crisp/crisp.sock");
}

TEST_F(ConfigLoadTest, EveryTypeIsRead) {
  WriteMain(R"(
root: /data/crisp
socket: {path: /run/x.sock, mode: "0600", group: adm}
log: {level: debug, format: json, target: /var/log/crispd.log}
runtimes:
  runc: {sandbox: process, root: /run/runc}
cgroup_driver: systemd
network: {plugin_dirs: [/a, /b], prefer: ipv6, plugin_timeout: 90s}
image:
  registries:
    "localhost:5000": {plain_http: true, mirrors: ["http://m:80"]}
  pinned: [registry.k8s.io/pause:3.10]
lanes: {work: 3}
log_line_limit: 32KiB
shm_size: 1GiB
metrics: {address: "[::1]:9090"}
default_sysctls: {}
)");
  const Result<Loaded> loaded = LoadAll();
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  const Config& config = loaded->config;
  EXPECT_EQ(config.socket.mode, 0600);
  EXPECT_EQ(config.log.level, log::Level::kDebug);
  EXPECT_EQ(config.log.format, LogFormat::kJson);
  EXPECT_EQ(config.runtimes.size(), 1u);
  EXPECT_FALSE(config.runtimes_found);
  EXPECT_EQ(config.runtimes.at("runc").sandbox, SandboxKind::kProcess);
  EXPECT_EQ(config.default_runtime, "runc");
  EXPECT_EQ(config.default_cgroup_parent, "/crisp.slice");
  EXPECT_EQ(config.network.plugin_timeout, std::chrono::seconds(90));
  EXPECT_THAT(config.network.plugin_dirs, ElementsAre("/a", "/b"));
  EXPECT_TRUE(config.image.registries.at("localhost:5000").plain_http);
  ASSERT_EQ(config.image.registries.at("localhost:5000").mirrors.size(), 1u);
  EXPECT_EQ(config.image.registries.at("localhost:5000").mirrors[0].location, "http://m:80");
  EXPECT_EQ(config.lanes.work, 3);
  EXPECT_EQ(config.log_line_limit_bytes, 32 << 10);
  EXPECT_EQ(config.shm_size_bytes, 1 << 30);
  EXPECT_EQ(config.metrics_address, "[::1]:9090");
  EXPECT_THAT(config.default_sysctls, IsEmpty());
}

TEST_F(ConfigLoadTest, HandlersAndDevices) {
  WriteMain(R"(
runtimes:
  crun:
    type: oci
    allowed_annotations: [run.oci., io.example/x]
    default_annotations: {a: b}
    base_spec: /etc/crisp/base.json
    monitor_env: {K: V}
    seccomp_profile: /etc/crisp/s.json
    privileged_seccomp_profile: /etc/crisp/p.json
    privileged_without_host_devices: true
cdi: {spec_dirs: [/a]}
hooks_dirs: []
additional_devices: ["/dev/fuse", "/dev/net:/dev/n:rw"]
device_ownership_from_security_context: true
)");
  const Result<Loaded> loaded = LoadAll();
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  const Config& config = loaded->config;
  const RuntimeHandler& crun = config.runtimes.at("crun");
  EXPECT_THAT(crun.allowed_annotations, ElementsAre("run.oci.", "io.example/x"));
  EXPECT_EQ(crun.default_annotations.at("a"), "b");
  EXPECT_EQ(crun.base_spec, "/etc/crisp/base.json");
  EXPECT_EQ(crun.monitor_env.at("K"), "V");
  EXPECT_EQ(crun.seccomp_profile, "/etc/crisp/s.json");
  EXPECT_EQ(crun.privileged_seccomp_profile, "/etc/crisp/p.json");
  EXPECT_TRUE(crun.privileged_without_host_devices);
  EXPECT_THAT(config.cdi.spec_dirs, ElementsAre("/a"));
  EXPECT_THAT(config.hooks_dirs, IsEmpty());
  EXPECT_THAT(config.additional_devices, ElementsAre("/dev/fuse", "/dev/net:/dev/n:rw"));
  EXPECT_TRUE(config.device_ownership_from_security_context);
  EXPECT_THAT(ErrorOf("runtimes: {crun: {type: vm}}\n"), HasSubstr("'vm': allowed: oci"));
  EXPECT_THAT(ErrorOf("runtimes: {crun: {allowed_annotations: [\"\"]}}\n"),
              HasSubstr("allowed: the beginning of annotations' keys"));
  EXPECT_THAT(ErrorOf("runtimes: {crun: {monitor_env: {A=B: x}}}\n"), HasSubstr("without '='"));
  EXPECT_THAT(ErrorOf("additional_devices: [\"fuse\"]\n"),
              HasSubstr("'fuse': allowed: a device node"));
}

TEST_F(ConfigLoadTest, UnknownKeysNameFileLineAndWhatIsAllowed) {
  const std::string message = ErrorOf("root: /a\nlog:\n  level: info\n  lvl: info\n");
  EXPECT_THAT(message, HasSubstr(Cat(main_, ":4: log.lvl: unknown key")));
  EXPECT_THAT(message, HasSubstr("allowed here: level, format, target"));
}

TEST_F(ConfigLoadTest, AllMistakesAreReportedAtOnce) {
  const std::string message = ErrorOf(
      "root: relative\n"
      "log: {level: loud}\n"
      "lanes:\n"
      "  work: many\n"
      "log_line_limit: 16384\n"
      "network:\n"
      "  plugin_timeout: 30\n"
      "  plugin_dirs: /opt/cni/bin\n"
      "metrics: {address: localhost:9090}\n");
  EXPECT_THAT(message, HasSubstr(":1: root: 'relative': allowed: an absolute path"));
  EXPECT_THAT(message, HasSubstr(":2: log.level: 'loud': allowed: trace | debug | info"));
  EXPECT_THAT(message, HasSubstr(":4: lanes.work: 'many': allowed: a whole number, 1 to 256"));
  EXPECT_THAT(message, HasSubstr(":5: log_line_limit: '16384': allowed: a size with its unit"));
  EXPECT_THAT(message, HasSubstr(":7: network.plugin_timeout: '30': allowed: a duration with"));
  EXPECT_THAT(message, HasSubstr(":8: network.plugin_dirs: found a single value where a list"));
  EXPECT_THAT(message, HasSubstr(":9: metrics.address: 'localhost:9090'"));
}

TEST_F(ConfigLoadTest, BadStructureIsRefused) {
  EXPECT_THAT(ErrorOf("root: /a\nroot: /b\n"),
              HasSubstr(":2: root: written twice, first in line 1"));
  EXPECT_THAT(ErrorOf("- a\n"), HasSubstr(":1: found a list"));
  EXPECT_THAT(ErrorOf("a: [\n"), HasSubstr("not YAML"));
  EXPECT_THAT(ErrorOf("root: /a\n---\nroot: /b\n"), HasSubstr("second document"));
  EXPECT_THAT(ErrorOf("log: info\n"), HasSubstr(":1: log: found a single value where a map"));
  EXPECT_THAT(ErrorOf("runtimes:\n  Bad_Name: {}\n"), HasSubstr(":2: runtimes.Bad_Name: "));
  EXPECT_THAT(ErrorOf("image:\n  registries:\n    a/b: {}\n"), HasSubstr("registry host"));
  EXPECT_THAT(ErrorOf("runtimes:\n  runc: {pth: /x}\n"),
              HasSubstr("runtimes.runc.pth: unknown key; allowed here: path, root, sandbox"));
}

TEST_F(ConfigLoadTest, ContradictionsBetweenKeysAreRefused) {
  EXPECT_THAT(ErrorOf("default_runtime: kata\n"),
              HasSubstr("default_runtime: 'kata': allowed: crun | runc"));
  EXPECT_THAT(ErrorOf("runtimes: {kata: {}}\n"), HasSubstr("no program 'kata' in PATH"));
  EXPECT_THAT(ErrorOf("default_cgroup_parent: /x.slice\n"), HasSubstr("does not end in .slice"));
  EXPECT_THAT(ErrorOf("root: /run/crisp\n"), HasSubstr("two different directories"));
  EXPECT_THAT(ErrorOf(Cat("socket: {path: /", std::string(120, 'x'), "}\n")),
              HasSubstr("at most 107"));
}

TEST_F(ConfigLoadTest, DropInsMergeInLexicalOrder) {
  WriteMain("log: {level: debug, format: json}\nimage: {pinned: [a, b]}\n");
  WriteDropIn("20-second.yaml", "log: {level: error}\nimage: {pinned: [c]}\n");
  WriteDropIn("10-first.yaml", "log: {level: warning}\nshm_size: 1MiB\n");
  WriteDropIn("30-null.yaml",
              "log: {format: null}\nimage: {registries: {r: {plain_http: true}}}\n");
  WriteDropIn("ignored.yml", "nonsense: 1\n");
  const Result<Loaded> loaded = LoadAll();
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_EQ(loaded->files.size(), 4u);
  EXPECT_EQ(loaded->config.log.level, log::Level::kError);
  EXPECT_EQ(loaded->config.log.format, LogFormat::kText);
  EXPECT_EQ(loaded->config.shm_size_bytes, 1 << 20);
  EXPECT_THAT(loaded->config.image.pinned, ElementsAre("c"));
  EXPECT_TRUE(loaded->config.image.registries.at("r").plain_http);
}

TEST_F(ConfigLoadTest, MistakesInDropInsNameTheDropIn) {
  WriteMain("root: /a\n");
  WriteDropIn("x.yaml", "\nlog:\n  level: 7\n");
  const Result<Loaded> loaded = LoadAll();
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.status().message(), HasSubstr("conf.d/x.yaml:3: log.level: '7'"));
}

TEST_F(ConfigLoadTest, MissingMainFile) {
  EXPECT_EQ(Load(main_, true, surroundings_).status().code(), Code::kNotFound);
  EXPECT_TRUE(Load(main_, false, surroundings_).ok());
}

TEST_F(ConfigLoadTest, ShowRoundTrips) {
  WriteMain(
      "runtimes: {runc: {sandbox: process}}\n"
      "image: {registries: {'r:1': {mirrors: [a, {location: 'b:1/c', pull: tag-only,"
      " ca_file: /m}], ca_file: /ca, headers: {}}}, pinned: ['x: y']}\n"
      "default_sysctls: {net.core.somaxconn: '1024'}\nlog_line_limit: 17KiB\n"
      "network: {plugin_timeout: 1500ms}\n");
  const Result<Loaded> first = LoadAll();
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  const std::string shown = ToYaml(ToValue(first->config));
  WriteMain(shown);
  const Result<Loaded> second = LoadAll();
  ASSERT_TRUE(second.ok()) << second.status().ToString() << "\n" << shown;
  EXPECT_EQ(ToYaml(ToValue(second->config)), shown);
  EXPECT_EQ(ToJson(ToValue(second->config)), ToJson(ToValue(first->config)));
}

// Every "#key: value" line of the default file, uncommented.
std::string Uncomment(const std::string& text) {
  std::string out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    if (line.starts_with('#') && !line.starts_with("##")) out += line.substr(1) + "\n";
    begin = end + 1;
  }
  return out;
}

TEST_F(ConfigLoadTest, DefaultFileStatesTheDefaults) {
  const Result<Loaded> defaults = Load(main_, false, surroundings_);
  ASSERT_TRUE(defaults.ok());
  const std::string text = DefaultFile();
  WriteMain(text);
  ASSERT_TRUE(LoadAll().ok());
  WriteMain(Uncomment(text));
  const Result<Loaded> stated = LoadAll();
  ASSERT_TRUE(stated.ok()) << stated.status().ToString();
  EXPECT_EQ(ToYaml(ToValue(stated->config)), ToYaml(ToValue(defaults->config)));
  // Nothing is left out: each key's last part stands in the file.
  for (const Setting& setting : Settings()) {
    EXPECT_THAT(text, HasSubstr(setting.key.substr(setting.key.rfind('.') + 1) + ":"));
  }
}

TEST_F(ConfigLoadTest, DeployedFileIsTheDefaultFile) {
  const Result<std::string> deployed = ReadFile(CRISP_DEFAULT_FILE);
  ASSERT_TRUE(deployed.ok()) << deployed.status().ToString();
  EXPECT_EQ(*deployed, DefaultFile()) << "write it anew: crisp config default > deploy/crisp.yaml";
}

TEST_F(ConfigLoadTest, MirrorsAreTextOrMaps) {
  WriteMain(
      "image:\n  registries:\n    r:\n      blocked: true\n      headers: {X-Token: hush}\n"
      "      mirrors:\n        - m:1\n        - location: https://n/api\n"
      "          override_path: true\n          pull: digest-only\n"
      "          client_cert_file: /c\n          client_key_file: /k\n"
      "          headers: {Authorization: hush}\n");
  const Result<Loaded> loaded = LoadAll();
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  const Registry& registry = loaded->config.image.registries.at("r");
  EXPECT_TRUE(registry.blocked);
  EXPECT_EQ(registry.headers.at("X-Token"), "hush");
  ASSERT_EQ(registry.mirrors.size(), 2u);
  EXPECT_EQ(registry.mirrors[0].location, "m:1");
  EXPECT_TRUE(registry.mirrors[1].override_path);
  EXPECT_EQ(registry.mirrors[1].use, MirrorUse::kDigestOnly);
  EXPECT_EQ(registry.mirrors[1].client_key_file, "/k");
  // Shown, but not with what may be a secret.
  const std::string shown = ToYaml(ToValue(loaded->config));
  EXPECT_THAT(shown, HasSubstr("X-Token"));
  EXPECT_THAT(shown, testing::Not(HasSubstr("hush")));
}

TEST_F(ConfigLoadTest, BadMirrors) {
  const auto error = [&](const std::string& mirror) {
    return ErrorOf("image: {registries: {r: {mirrors: [" + mirror + "]}}}\n");
  };
  EXPECT_THAT(error("'ftp://x'"), HasSubstr("http or https URL"));
  EXPECT_THAT(error("'a b'"), HasSubstr("host[:port][/path]"));
  EXPECT_THAT(error("{pull: all}"), HasSubstr("without location"));
  EXPECT_THAT(error("{location: a, pull: some}"), HasSubstr("digest-only"));
  EXPECT_THAT(error("{location: a, speed: 9}"), HasSubstr("unknown key 'speed'"));
  EXPECT_THAT(error("{location: a, client_cert_file: /x}"), HasSubstr("both or none"));
  EXPECT_THAT(error("{location: a, headers: {'a:b': c}}"), HasSubstr("without ':'"));
}

TEST_F(ConfigLoadTest, CompareTellsReloadableFromRest) {
  WriteMain("{}\n");
  const Result<Loaded> before = LoadAll();
  WriteMain("log: {level: debug}\nshm_size: 1MiB\nimage: {registries: {r: {}}}\n");
  const Result<Loaded> after = LoadAll();
  ASSERT_TRUE(before.ok() && after.ok());
  const Changes changes = Compare(before->config, after->config);
  EXPECT_THAT(changes.need_restart, ElementsAre("shm_size"));
  EXPECT_THAT(
      changes.reloadable,
      ElementsAre("log.level", "image.registries.r.mirrors", "image.registries.r.plain_http",
                  "image.registries.r.skip_tls_verify", "image.registries.r.ca_file",
                  "image.registries.r.client_cert_file", "image.registries.r.client_key_file",
                  "image.registries.r.headers", "image.registries.r.blocked"));
  EXPECT_THAT(Compare(after->config, after->config).reloadable, IsEmpty());
}

TEST(SettingsTest, TableIsComplete) {
  for (const Setting& setting : Settings()) {
    EXPECT_FALSE(setting.help.empty()) << setting.key;
    EXPECT_FALSE(setting.type.empty()) << setting.key;
    const size_t dot = setting.key.rfind('.');
    if (dot == std::string::npos) continue;
    std::string section = setting.key.substr(0, dot);
    if (section.ends_with(".*")) section.resize(section.size() - 2);
    EXPECT_NE(FindSection(section), nullptr) << setting.key;
  }
}

}  // namespace
}  // namespace crisp::config
