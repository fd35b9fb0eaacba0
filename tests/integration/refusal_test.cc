// What a pod spec cannot have: refused at create, with the field, the value and what would be
// right; nothing remains, and the name is free. cri-contract 6, 8 and 9.
#include <sys/mount.h>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::HasSubstr;

class RefusalTest : public PodTest {
 protected:
  using Words = std::vector<std::string>;

  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
  }
  // All with one name: what one leaves would refuse the next.
  void Container(Code code, const Words& words,
                 const std::function<void(v1::ContainerConfig*)>& spoil) {
    auto config = ContainerConfig("c", {"top"});
    spoil(&config);
    const auto refused = TryCreate(pod_, config, sandbox_);
    Expect(refused.status(), code, words);
    if (refused.ok()) {
      EXPECT_THAT(TryRemove(*refused), IsOk());
    }
  }
  void Security(Code code, const Words& words,
                const std::function<void(v1::LinuxContainerSecurityContext*)>& spoil) {
    Container(code, words, [&spoil](v1::ContainerConfig* config) {
      spoil(config->mutable_linux()->mutable_security_context());
    });
  }
  void Limits(const Words& words, const std::function<void(v1::LinuxContainerResources*)>& spoil) {
    Container(Code::kInvalidArgument, words, [&spoil](v1::ContainerConfig* config) {
      spoil(config->mutable_linux()->mutable_resources());
    });
  }
  void Mounts(Code code, const Words& words, const std::function<void(v1::Mount*)>& spoil) {
    Container(code, words, [&](v1::ContainerConfig* config) {
      v1::Mount* mount = config->add_mounts();
      mount->set_host_path(daemon().Path("volume"));
      mount->set_container_path("/volume");
      spoil(mount);
    });
  }
  void Pod(const Words& words, const std::function<void(v1::PodSandboxConfig*)>& spoil) {
    auto config = SandboxConfig("refused");
    spoil(&config);
    const auto refused = TryRunPod(config);
    Expect(refused.status(), Code::kInvalidArgument, words);
    if (refused.ok()) {
      EXPECT_THAT(TryRemovePod(*refused), IsOk());
    }
  }
  static void Expect(const Status& status, Code code, const Words& words) {
    SCOPED_TRACE(testing::PrintToString(words));
    EXPECT_THAT(status, HasCode(code));
    for (const std::string& word : words) EXPECT_THAT(status.message(), HasSubstr(word));
  }

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
};

TEST_P(RefusalTest, SecurityContextsOfContainers) {
  const auto bad = Code::kInvalidArgument;
  Security(bad, {"add_capabilities", "'NO_SUCH'", "NET_ADMIN, or ALL"},
           [](auto* s) { s->mutable_capabilities()->add_add_capabilities("NO_SUCH"); });
  Security(bad, {"drop_capabilities", "'CAP_'"},
           [](auto* s) { s->mutable_capabilities()->add_drop_capabilities("CAP_"); });
  Security(bad, {"add_ambient_capabilities", "'NET RAW'"},
           [](auto* s) { s->mutable_capabilities()->add_add_ambient_capabilities("NET RAW"); });
  Security(bad, {"run_as_group: 77", "run_as_user or run_as_username"},
           [](auto* s) { s->mutable_run_as_group()->set_value(77); });
  Security(bad, {"run_as_user: -1", "0 to 2147483647"},
           [](auto* s) { s->mutable_run_as_user()->set_value(-1); });
  Security(bad, {"run_as_group: 4294967296"}, [](auto* s) {
    s->mutable_run_as_user()->set_value(1);
    s->mutable_run_as_group()->set_value(int64_t{1} << 32);
  });
  Security(bad, {"supplemental_groups: -5"}, [](auto* s) { s->add_supplemental_groups(-5); });
  Security(Code::kNotFound, {"run_as_username", "'bob'", "/etc/passwd"},
           [](auto* s) { s->set_run_as_username("bob"); });
  Security(bad, {"privileged", "its sandbox is not"}, [](auto* s) { s->set_privileged(true); });
  Security(bad, {"masked_paths: 'etc/group'", "absolute"},
           [](auto* s) { s->add_masked_paths("etc/group"); });
  Security(bad, {"readonly_paths: ''", "absolute"}, [](auto* s) { s->add_readonly_paths(""); });
  Security(Code::kNotFound, {"seccomp", "/no/such/profile"}, [](auto* s) {
    s->mutable_seccomp()->set_profile_type(v1::SecurityProfile::Localhost);
    s->mutable_seccomp()->set_localhost_ref("/no/such/profile");
  });
  Security(bad, {"seccomp: localhost_ref 'relative'", "absolute path"}, [](auto* s) {
    s->mutable_seccomp()->set_profile_type(v1::SecurityProfile::Localhost);
    s->mutable_seccomp()->set_localhost_ref("relative");
  });
  Security(bad, {"apparmor: localhost_ref 'x'", "profile type Localhost"},
           [](auto* s) { s->mutable_apparmor()->set_localhost_ref("x"); });
}

TEST_P(RefusalTest, NamespacesOfContainers) {
  const auto bad = Code::kInvalidArgument;
  const auto options = [](auto* s) { return s->mutable_namespace_options(); };
  Security(bad, {"namespace_options.network NODE", "differs from the sandbox's"},
           [&](auto* s) { options(s)->set_network(v1::NODE); });
  Security(bad, {"namespace_options.ipc NODE", "differs from the sandbox's"},
           [&](auto* s) { options(s)->set_ipc(v1::NODE); });
  Security(bad, {"namespace_options.pid: mode 9 is not known"},
           [&](auto* s) { options(s)->set_pid(static_cast<v1::NamespaceMode>(9)); });
  Security(bad, {"TARGET is for pid only"}, [&](auto* s) { options(s)->set_ipc(v1::TARGET); });
  Security(bad, {"namespace_options.target_id"}, [&](auto* s) { options(s)->set_pid(v1::TARGET); });
  Security(Code::kNotFound, {"namespace_options.target_id", "0123456789abcdef"}, [&](auto* s) {
    options(s)->set_pid(v1::TARGET);
    options(s)->set_target_id("0123456789abcdef");
  });
  const std::string created = CreateContainer(pod_, ContainerConfig("t", {"top"}), sandbox_);
  Security(Code::kFailedPrecondition, {"namespace_options.target_id", "is not running"},
           [&](auto* s) {
             options(s)->set_pid(v1::TARGET);
             options(s)->set_target_id(created);
           });
  const auto other = SandboxConfig("other");
  const std::string elsewhere = StartContainer(RunPod(other), ContainerConfig("t", {"top"}), other);
  Security(bad, {"namespace_options.target_id", "is in another sandbox"}, [&](auto* s) {
    options(s)->set_pid(v1::TARGET);
    options(s)->set_target_id(elsewhere);
  });
  Security(bad, {"userns_options differ from the sandbox's"},
           [&](auto* s) { options(s)->mutable_userns_options()->set_mode(v1::POD); });
}

TEST_P(RefusalTest, ProcessesAndLogs) {
  const auto bad = Code::kInvalidArgument;
  Container(bad, {"working_dir", "'/proc/self/fd/7'"},
            [](auto* c) { c->set_working_dir("/proc/self/fd/7"); });
  Container(bad, {"working_dir", "/bin/sh is not a directory"},
            [](auto* c) { c->set_working_dir("/bin/sh"); });
  Container(bad, {"envs: 'A=B' is not a name"}, [](auto* c) { c->add_envs()->set_key("A=B"); });
  Container(bad, {"envs: '' is not a name"}, [](auto* c) { c->add_envs()->set_value("x"); });
  Container(bad, {"envs", "NUL"}, [](auto* c) {
    auto* variable = c->add_envs();
    variable->set_key("A");
    variable->set_value(std::string("x\0y", 3));
  });
  Container(bad, {"command", "NUL"}, [](auto* c) { c->add_args(std::string("x\0y", 3)); });
  Container(bad, {"log_path: '../x'", "below the sandbox's log_directory"},
            [](auto* c) { c->set_log_path("../x"); });
  const std::string id = StartContainer(pod_, ContainerConfig("run", {"top"}), sandbox_);
  const auto exec = TryExec(id, {"echo", std::string("x\0y", 3)});
  EXPECT_THAT(exec, HasCode(bad));
  EXPECT_THAT(exec.status().message(), HasSubstr("cmd: a value contains a NUL byte"));
  // Lines are no harm in a variable or an annotation: they are one value.
  auto config = ContainerConfig("lines", {"top"});
  auto* variable = config.add_envs();
  variable->set_key("LINES");
  variable->set_value("a\nPATH=/evil");
  (*config.mutable_annotations())["a\nb"] = "c\nd";
  EXPECT_EQ(Shell(StartContainer(pod_, config, sandbox_), "echo \"$LINES\"; echo $PATH"),
            "a\nPATH=/evil\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
}

TEST_P(RefusalTest, MountsOfContainers) {
  const auto bad = Code::kInvalidArgument;
  ASSERT_THAT(EnsureDirectory(daemon().Path("volume")), IsOk());
  ASSERT_THAT(EnsureDirectory(daemon().Path("private")), IsOk());
  ASSERT_THAT(Mount("none", daemon().Path("private"), "tmpfs", 0, "size=64k"), IsOk());
  ScopedMount owner(daemon().Path("private"));
  ASSERT_THAT(Mount("", daemon().Path("private"), "", MS_PRIVATE, ""), IsOk());
  Mounts(bad, {"container_path is empty"}, [](auto* m) { m->clear_container_path(); });
  Mounts(bad, {"container_path: '/' cannot be mounted over"},
         [](auto* m) { m->set_container_path("/x/.."); });
  Mounts(bad, {"mount /volume", "host_path is empty"}, [](auto* m) { m->clear_host_path(); });
  Mounts(bad, {"host_path 'relative' is not absolute"},
         [](auto* m) { m->set_host_path("relative"); });
  Mounts(Code::kFailedPrecondition, {"mount /volume", "BIDIRECTIONAL", "shared mount"},
         [&](auto* m) {
           m->set_host_path(daemon().Path("private"));
           m->set_propagation(v1::PROPAGATION_BIDIRECTIONAL);
         });
  Mounts(Code::kFailedPrecondition, {"mount /volume", "HOST_TO_CONTAINER", "shared or slave mount"},
         [&](auto* m) {
           m->set_host_path(daemon().Path("private"));
           m->set_propagation(v1::PROPAGATION_HOST_TO_CONTAINER);
         });
  Mounts(bad, {"mount /volume", "recursive_read_only needs readonly"},
         [](auto* m) { m->set_recursive_read_only(true); });
  Mounts(bad, {"mount /volume", "recursive_read_only needs propagation PRIVATE"}, [](auto* m) {
    m->set_readonly(true);
    m->set_recursive_read_only(true);
    m->set_propagation(v1::PROPAGATION_HOST_TO_CONTAINER);
  });
  Mounts(bad, {"mount /volume: propagation 9 is not known"},
         [](auto* m) { m->set_propagation(static_cast<v1::MountPropagation>(9)); });
  Mounts(bad, {"mount_options: 'sync'", "noexec, nodev and nosuid"},
         [](auto* m) { m->add_mount_options("sync"); });
  Mounts(bad, {"mount /volume", "image_sub_path without image"},
         [](auto* m) { m->set_image_sub_path("x"); });
  Mounts(bad, {"mount /volume", "uidMappings", "user namespace"},
         [](auto* m) { m->add_uidmappings()->set_length(1); });
}

TEST_P(RefusalTest, DevicesOfContainers) {
  const auto device = [](v1::ContainerConfig* c, const char* path, const char* permissions) {
    auto* out = c->add_devices();
    out->set_host_path(path);
    out->set_container_path("/dev/x");
    out->set_permissions(permissions);
  };
  Container(Code::kNotFound, {"/dev/no-such-device"},
            [&](auto* c) { device(c, "/dev/no-such-device", "rw"); });
  Container(Code::kInvalidArgument, {"permissions 'rx'", "subset of rwm"},
            [&](auto* c) { device(c, "/dev/null", "rx"); });
  Container(Code::kInvalidArgument, {"host_path 'null'", "an absolute path"},
            [&](auto* c) { device(c, "null", "rw"); });
  Container(Code::kInvalidArgument, {"/etc/passwd is neither a device node nor a directory"},
            [&](auto* c) { device(c, "/etc/passwd", "rw"); });
  Container(Code::kNotFound, {"CDI device 'vendor.com/gpu=0'", "not found in"},
            [](auto* c) { c->add_cdi_devices()->set_name("vendor.com/gpu=0"); });
  Container(Code::kInvalidArgument, {"'gpu'", "vendor/class=device"},
            [](auto* c) { c->add_cdi_devices()->set_name("gpu"); });
}

TEST_P(RefusalTest, LimitsOfContainers) {
  Limits({"oom_score_adj: 1001", "-1000 to 1000"}, [](auto* r) { r->set_oom_score_adj(1001); });
  Limits({"cpu_quota: 5", "at least"}, [](auto* r) { r->set_cpu_quota(5); });
  Limits({"cpu_period: 5", "microseconds"}, [](auto* r) { r->set_cpu_period(5); });
  Limits({"cpuset_cpus: 'zero'", "0-3,5"}, [](auto* r) { r->set_cpuset_cpus("zero"); });
  Limits({"cpuset_mems: '0-'", "0-3,5"}, [](auto* r) { r->set_cpuset_mems("0-"); });
  Limits({"memory_swap_limit_in_bytes: 1048576", "needs memory_limit_in_bytes"}, [](auto* r) {
    r->clear_memory_limit_in_bytes();
    r->set_memory_swap_limit_in_bytes(1 << 20);
  });
  Limits({"memory_swap_limit_in_bytes: 1", "below memory_limit_in_bytes"}, [](auto* r) {
    r->set_memory_limit_in_bytes(64 << 20);
    r->set_memory_swap_limit_in_bytes(1);
  });
  Limits({"hugepage_limits: page size 'big'", "2MB"},
         [](auto* r) { r->add_hugepage_limits()->set_page_size("big"); });
  Limits({"unified: '../x'"}, [](auto* r) { (*r->mutable_unified())["../x"] = "1"; });
}

TEST_P(RefusalTest, Sandboxes) {
  const auto security = [](v1::PodSandboxConfig* c) {
    return c->mutable_linux()->mutable_security_context();
  };
  const auto options = [&](v1::PodSandboxConfig* c) {
    return security(c)->mutable_namespace_options();
  };
  Pod({"log_directory: 'logs/p' is not absolute"}, [](auto* c) { c->set_log_directory("logs/p"); });
  Pod({"run_as_group needs run_as_user"},
      [&](auto* c) { security(c)->mutable_run_as_group()->set_value(1); });
  Pod({"namespace_options.network", "TARGET is for containers only"},
      [&](auto* c) { options(c)->set_network(v1::TARGET); });
  Pod({"namespace_options.network: mode 9 is not known"},
      [&](auto* c) { options(c)->set_network(static_cast<v1::NamespaceMode>(9)); });
  Pod({"namespace_options.ipc", "TARGET"}, [&](auto* c) { options(c)->set_ipc(v1::TARGET); });
  Pod({"namespace_options.pid", "TARGET"}, [&](auto* c) { options(c)->set_pid(v1::TARGET); });
  Pod({"userns_options.mode CONTAINER", "POD or NODE"},
      [&](auto* c) { options(c)->mutable_userns_options()->set_mode(v1::CONTAINER); });
  Pod({"userns_options.uids has 0 mappings", "exactly one"},
      [&](auto* c) { options(c)->mutable_userns_options()->set_mode(v1::POD); });
  Pod({"sysctl 'kernel.panic'", "net.*"},
      [](auto* c) { (*c->mutable_linux()->mutable_sysctls())["kernel.panic"] = "1"; });
  Pod({"sysctl 'net.core.somaxconn'", "the host's network namespace"}, [&](auto* c) {
    options(c)->set_network(v1::NODE);
    (*c->mutable_linux()->mutable_sysctls())["net.core.somaxconn"] = "1";
  });
  Pod({"sysctl 'net.core.somaxconn'", "control character"},
      [](auto* c) { (*c->mutable_linux()->mutable_sysctls())["net.core.somaxconn"] = "1\n2"; });
  Pod({"hostname 'a\nb'", "letters, digits"}, [](auto* c) { c->set_hostname("a\nb"); });
  Pod({"hostname", "longer than 64"}, [](auto* c) { c->set_hostname(std::string(65, 'a')); });
  Pod({"dns_config.servers: '10.0.0.1 x'", "one word"},
      [](auto* c) { c->mutable_dns_config()->add_servers("10.0.0.1 x"); });
}

CRISP_FOR_EACH_RUNTIME(RefusalTest);

}  // namespace
}  // namespace crisp::test
