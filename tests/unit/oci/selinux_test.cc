// SELinux on hosts that are described rather than present: a directory plays selinuxfs, another
// one /etc/selinux. Labels of files are real attributes where the test may set them.
#include "oci/selinux.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include <map>

#include "base/core/mount.h"
#include "base/core/own_thread.h"
#include "oci/spec_parts.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr char kContexts[] =
    "# of the policy\n"
    "process = \"staff_u:system_r:box_t:s0\"\n"
    "content = \"system_u:object_r:virt_var_lib_t:s0\"\n"
    "file = \"staff_u:object_r:box_file_t:s0\"\n"
    "ro_file=\"staff_u:object_r:box_ro_file_t:s0\"\n"
    "init_process = \"staff_u:system_r:box_init_t:s0\"\n"
    "kvm_process = staff_u:system_r:box_kvm_t:s0\n";

class SelinuxHostTest : public ::testing::Test {
 protected:
  SelinuxHostTest() {
    files_.Write("selinuxfs/enforce", "1");
    files_.Write("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=mine\n");
    places_.filesystem = files_.path() + "/selinuxfs";
    places_.configuration = files_.path() + "/etc/selinux";
    places_.contexts = files_.path() + "/vendor/contexts";
    struct statfs st {};
    EXPECT_EQ(::statfs(files_.path().c_str(), &st), 0);
    places_.magic = st.f_type;
  }
  void WriteContexts(const std::string& text) const {
    files_.Write("etc/selinux/mine/contexts/lxc_contexts", text);
  }
  Result<SelinuxHost> Read(SelinuxMode mode = SelinuxMode::kAuto) const {
    return ReadSelinuxHost(mode, places_);
  }

  TestRootfs files_;
  SelinuxPlaces places_;
};

TEST_F(SelinuxHostTest, ModesWhereTheHostHasIt) {
  EXPECT_TRUE(Read(SelinuxMode::kAuto)->enabled);
  EXPECT_TRUE(Read(SelinuxMode::kOn)->enabled);
  EXPECT_FALSE(Read(SelinuxMode::kOff)->enabled);
}

TEST_F(SelinuxHostTest, ADirectoryOfThatNameIsNotSelinux) {
  places_.magic = SelinuxPlaces().magic;
  EXPECT_FALSE(Read(SelinuxMode::kAuto)->enabled);
  const Status status = Read(SelinuxMode::kOn).status();
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("selinux: on"), HasSubstr(places_.filesystem),
                                      HasSubstr("allowed: auto, off")));
}

TEST_F(SelinuxHostTest, AKernelWithoutEnforceHasNoPolicy) {
  std::filesystem::remove(files_.path() + "/selinuxfs/enforce");
  EXPECT_FALSE(Read(SelinuxMode::kAuto)->enabled);
  EXPECT_FALSE(Read(SelinuxMode::kOn).ok());
}

TEST_F(SelinuxHostTest, ContextsOfThePolicy) {
  WriteContexts(kContexts);
  const SelinuxHost host = *Read();
  EXPECT_EQ(host.process, "staff_u:system_r:box_t:s0");
  EXPECT_EQ(host.file, "staff_u:object_r:box_file_t:s0");
  EXPECT_EQ(host.ro_file, "staff_u:object_r:box_ro_file_t:s0");
  EXPECT_EQ(host.init_process, "staff_u:system_r:box_init_t:s0");
  EXPECT_EQ(host.kvm_process, "staff_u:system_r:box_kvm_t:s0");
  files_.Write("vendor/contexts", "process = \"v_u:v_r:v_t:s0\"\n");
  EXPECT_EQ(Read()->process, "v_u:v_r:v_t:s0") << "the vendor's file wins";
}

TEST_F(SelinuxHostTest, NoContextsFile) {
  const SelinuxHost host = *Read();
  EXPECT_EQ(host.process, "system_u:system_r:container_t:s0");
  EXPECT_EQ(host.file, "system_u:object_r:container_file_t:s0");
}

TEST_F(SelinuxHostTest, AContextThatIsNone) {
  for (const char* bad : {"container_t", "u:r:t", "u:r:t:", "u:r:t:x0", "u u:r:t:s0", ":r:t:s0"}) {
    WriteContexts(Cat("process = \"", bad, "\"\n"));
    const Status status = Read(SelinuxMode::kOn).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << bad;
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("mine/contexts/lxc_contexts: process"), HasSubstr(bad)));
    const auto host = Read(SelinuxMode::kAuto);
    ASSERT_TRUE(host.ok()) << "a node must not stop for what nobody asked for";
    EXPECT_TRUE(host->enabled);
    EXPECT_EQ(host->process, SelinuxHost().process);
  }
}

TEST_F(SelinuxHostTest, APolicyWithoutLevels) {
  files_.Write("selinuxfs/mls", "0");
  WriteContexts("process = \"system_u:system_r:box_t\"\nfile = \"u:object_r:box_file_t:s0\"\n");
  const auto host = Read(SelinuxMode::kOn);
  ASSERT_TRUE(host.ok()) << host.status().ToString();
  EXPECT_FALSE(host->mls);
  EXPECT_EQ(host->process, "system_u:system_r:box_t");
  EXPECT_EQ(host->file, "u:object_r:box_file_t");
  EXPECT_EQ(host->ro_file, "system_u:object_r:container_ro_file_t");
  EXPECT_THAT(SensitivityOf(*host), IsEmpty());
  SelinuxRequest request;
  request.level = "s0:c1,c2";  // of a pod from a time when the policy had them
  const SelinuxLabels labels = ResolveSelinux(*host, request).value();
  EXPECT_EQ(labels.process, "system_u:system_r:box_t");
  EXPECT_EQ(labels.mount, "u:object_r:box_file_t");
  request.options = RequestedSelinux{"", "", "", "s0:c1"};
  EXPECT_THAT(ResolveSelinux(*host, request).status().message(), HasSubstr("has no levels"));
  files_.Write("selinuxfs/mls", "1");
  EXPECT_FALSE(Read(SelinuxMode::kOn).ok());
}

TEST_F(SelinuxHostTest, ThePolicysNameStaysInItsDirectory) {
  files_.Write("etc/selinux/config", "SELINUXTYPE=../../elsewhere\n");
  files_.Write("elsewhere/contexts/lxc_contexts", "process = \"a:b:c:s0\"\n");
  EXPECT_EQ(Read()->process, SelinuxHost().process);
}

class SelinuxLabelsTest : public ::testing::Test {
 protected:
  SelinuxLabelsTest() {
    host_.enabled = true;
    host_.filesystem = files_.path();
    request_.level = "s0:c7,c8";
  }
  std::string Process() { return ResolveSelinux(host_, request_).value().process; }
  std::string Mount() { return ResolveSelinux(host_, request_).value().mount; }
  Status Refused() { return ResolveSelinux(host_, request_).status(); }

  TestRootfs files_;
  SelinuxHost host_;
  SelinuxRequest request_;
};

TEST_F(SelinuxLabelsTest, IgnoredWithoutSelinux) {
  host_.enabled = false;
  request_.options = RequestedSelinux{"", "", "", "s0,c4,c5"};
  EXPECT_THAT(Process(), IsEmpty());
  EXPECT_THAT(Mount(), IsEmpty());
}

TEST_F(SelinuxLabelsTest, OfThePodOrOfTheOptions) {
  EXPECT_EQ(Process(), "system_u:system_r:container_t:s0:c7,c8");
  EXPECT_EQ(Mount(), "system_u:object_r:container_file_t:s0:c7,c8");
  request_.options = RequestedSelinux{"", "", "svirt_t", ""};
  EXPECT_EQ(Process(), "system_u:system_r:svirt_t:s0:c7,c8") << "the pod's level";
  request_.options = RequestedSelinux{"user_u", "user_r", "user_t", "s0:c4,c5"};
  EXPECT_EQ(Process(), "user_u:user_r:user_t:s0:c4,c5");
  EXPECT_EQ(Mount(), "system_u:object_r:container_file_t:s0:c4,c5");
  request_.options.reset();
  request_.level.clear();  // a sandbox of a daemon that had no SELinux
  EXPECT_EQ(Process(), "system_u:system_r:container_t:s0");
  EXPECT_EQ(Mount(), "system_u:object_r:container_file_t:s0");
}

TEST_F(SelinuxLabelsTest, Domains) {
  request_.domain = SelinuxDomain::kInit;
  EXPECT_EQ(Process(), "system_u:system_r:container_init_t:s0:c7,c8");
  request_.domain = SelinuxDomain::kKvm;
  EXPECT_EQ(Process(), "system_u:system_r:container_kvm_t:s0:c7,c8");
  request_.domain = SelinuxDomain::kUnconfined;
  EXPECT_EQ(Process(), "system_u:system_r:spc_t:s0") << "no categories";
  EXPECT_EQ(Mount(), "system_u:object_r:container_file_t:s0:c7,c8") << "shared with the pod";
  request_.options = RequestedSelinux{"", "", "mine_t", "s0:c1"};
  EXPECT_EQ(Process(), "system_u:system_r:mine_t:s0:c1") << "what is asked for wins";
}

TEST_F(SelinuxLabelsTest, ProgramsThatMakeADomain) {
  EXPECT_TRUE(IsInitSystem("/sbin/init"));
  EXPECT_TRUE(IsInitSystem("/usr/lib/systemd/systemd"));
  EXPECT_FALSE(IsInitSystem("/tmp/init"));
  EXPECT_FALSE(IsInitSystem("init"));
  EXPECT_TRUE(IsVirtualMachine("/usr/bin/krun"));
  EXPECT_TRUE(IsVirtualMachine("/opt/kata/bin/kata-runtime"));
  EXPECT_FALSE(IsVirtualMachine("/usr/bin/crun"));
}

TEST_F(SelinuxLabelsTest, Levels) {
  for (const char* good :
       {"s0", "s15", "s0:c1", "s0:c1,c2", "s0:c0.c1023", "s0-s0:c0.c1023", "s0:c1.c3,c7"}) {
    request_.options = RequestedSelinux{"", "", "", good};
    EXPECT_TRUE(Refused().ok()) << good;
  }
  for (const char* bad :
       {"0", "s", "s0:", "s0:c", "s0:c1,", "s0:c1.", "s0:c1.5", "s0-", "x0", "s0 ", "s0:c1;c2"}) {
    request_.options = RequestedSelinux{"", "", "", bad};
    const Status status = Refused();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << bad;
    EXPECT_THAT(status.message(), HasSubstr(Cat("selinux_options.level: '", bad, "'")));
  }
}

TEST_F(SelinuxLabelsTest, NamesThatAreNone) {
  for (const char* bad : {"a:b", "a b", "a\nb", "\"", "a,context=b"}) {
    request_.options = RequestedSelinux{bad, "", "", ""};
    EXPECT_THAT(Refused().message(), HasSubstr(Cat("selinux_options.user: '", bad, "'")));
    request_.options = RequestedSelinux{"", bad, "", ""};
    EXPECT_THAT(Refused().message(), HasSubstr("selinux_options.role"));
    request_.options = RequestedSelinux{"", "", bad, ""};
    EXPECT_THAT(Refused().message(), HasSubstr("selinux_options.type"));
    EXPECT_EQ(Refused().code(), Code::kInvalidArgument);
  }
}

// A file of the kernel that answers EINVAL to a label, as selinuxfs does to one that no policy has.
TEST_F(SelinuxLabelsTest, ThePolicyIsAsked) {
  files_.Symlink("/proc/self/oom_score_adj", "context");
  const Status status = Refused();
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr("'system_u:system_r:container_t:s0:c7,c8'"));
  std::filesystem::remove(files_.path() + "/context");
  files_.Write("context", "");
  EXPECT_TRUE(Refused().ok());
}

TEST(SelinuxSpec, LabelsOfAContainer) {
  TestRootfs rootfs;
  SelinuxHost selinux;
  selinux.enabled = true;
  ContainerRequest request = SmallRequest(rootfs);
  const auto labels = [&]() -> std::pair<std::string, std::string> {
    auto built = BuildSpecOn(request, "/run/c", FullHost());
    if (!built.ok()) return {built.status().ToString(), ""};
    return {built->spec.process.selinux_label, built->spec.mount_label};
  };
  EXPECT_EQ(labels(), std::pair(std::string(), std::string()));
  request.selinux_host = &selinux;
  request.selinux_level = "s0:c1,c2";
  const std::string file = "system_u:object_r:container_file_t:s0:c1,c2";
  EXPECT_EQ(labels(), std::pair(std::string("system_u:system_r:container_t:s0:c1,c2"), file));
  request.command = {"/sbin/init"};
  EXPECT_EQ(labels().first, "system_u:system_r:container_init_t:s0:c1,c2");
  RuntimeOptions handler;
  handler.path = "/usr/bin/krun";
  request.handler = &handler;
  EXPECT_EQ(labels().first, "system_u:system_r:container_kvm_t:s0:c1,c2");
  for (auto* host_namespace : {&request.pid_ns, &request.ipc_ns}) {
    const auto kept = std::exchange(*host_namespace, std::nullopt);
    EXPECT_EQ(labels(), std::pair(std::string("system_u:system_r:spc_t:s0"), file));
    *host_namespace = kept;
  }
  request.privileged = request.sandbox_privileged = true;
  EXPECT_EQ(labels(), std::pair(std::string("system_u:system_r:spc_t:s0"), file));
}

TEST(Selinux, ContextOption) {
  EXPECT_THAT(ContextOption(""), IsEmpty());
  EXPECT_EQ(ContextOption("u:r:t:s0:c1,c2"), ",context=\"u:r:t:s0:c1,c2\"");
}

std::string LabelOf(const std::string& path) {
  char buffer[256];
  const ssize_t size = ::lgetxattr(path.c_str(), "security.selinux", buffer, sizeof(buffer));
  return size > 0 ? std::string(buffer, static_cast<size_t>(size) - 1) : std::string();
}

// Writes nothing; what is asked of it is kept by the path that a descriptor's name leads to.
class FakeLabels : public LabelAccess {
 public:
  ssize_t Get(const std::string& path, bool, char* buffer, size_t size) const override {
    const auto it = labels.find(Real(path));
    if (it == labels.end()) {
      errno = ENODATA;
      return -1;
    }
    return static_cast<ssize_t>(it->second.copy(buffer, size));
  }
  int Set(const std::string& path, bool, const std::string& label) const override {
    const std::string real = Real(path);
    const auto failure = failures.find(real);
    if (failure != failures.end()) {
      errno = failure->second;
      return -1;
    }
    labels[real] = label;
    written.push_back(real);
    return 0;
  }
  // Not through a link at the end.
  static std::string Real(const std::string& path) {
    const std::filesystem::path whole(path);
    if (whole.parent_path() == "/proc/self/fd") return std::filesystem::canonical(whole);
    return std::filesystem::canonical(whole.parent_path()) / whole.filename();
  }

  mutable std::map<std::string, std::string> labels;
  mutable std::vector<std::string> written;
  std::map<std::string, int> failures;
};

class RelabelTest : public ::testing::Test {
 protected:
  RelabelTest() {
    files_.Write("volume/a/b", "");
    files_.Write("outside/file", "");
    files_.Symlink("../outside/file", "volume/link");
    files_.Symlink("../outside", "volume/dir");
    top_ = std::filesystem::canonical(files_.path()) / "volume";
  }
  TestRootfs files_;
  std::string top_;
};

TEST_F(RelabelTest, EverythingBelowAndNothingBeside) {
  FakeLabels labels;
  ASSERT_TRUE(RelabelTree(top_, "l", labels).ok());
  EXPECT_THAT(labels.written, UnorderedElementsAre(top_, top_ + "/a", top_ + "/a/b", top_ + "/link",
                                                   top_ + "/dir"));
}

TEST_F(RelabelTest, WhatHasTheLabelIsNotWritten) {
  FakeLabels labels;
  labels.labels[top_] = std::string("l\0", 2);  // as the kernel says it
  labels.labels[top_ + "/a/b"] = "l";
  ASSERT_TRUE(RelabelTree(top_, "l", labels).ok());
  EXPECT_THAT(labels.written, UnorderedElementsAre(top_ + "/a", top_ + "/link", top_ + "/dir"));
  labels.written.clear();
  ASSERT_TRUE(RelabelTree(top_, "l", labels).ok());
  EXPECT_THAT(labels.written, IsEmpty());
}

TEST_F(RelabelTest, ErrorsNameThePath) {
  FakeLabels labels;
  labels.failures[top_ + "/a/b"] = EPERM;
  const Status status = RelabelTree(top_, "lab:el", labels);
  EXPECT_EQ(status.code(), Code::kPermissionDenied);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(top_ + "/a/b"), HasSubstr("lab:el")));
  labels.failures = {{top_, EPERM}};
  EXPECT_THAT(RelabelTree(top_, "l", labels).message(), HasSubstr(top_));
  EXPECT_THAT(RelabelTree(top_ + "/none", "l", labels).message(), HasSubstr(top_ + "/none"));
}

TEST_F(RelabelTest, FilesWithoutLabels) {
  FakeLabels labels;
  labels.failures[top_ + "/a"] = ENOTSUP;
  EXPECT_TRUE(RelabelTree(top_, "l", labels).ok());
  EXPECT_THAT(labels.written, Not(testing::Contains(top_ + "/a")));
  EXPECT_THAT(labels.written, testing::Contains(top_ + "/a/b"));
}

TEST_F(RelabelTest, AStoreIsLabelledOnceAndTheDirectoryLast) {
  FakeLabels labels;
  labels.failures[top_ + "/a/b"] = EPERM;
  EXPECT_EQ(LabelStore(top_, "l", labels).code(), Code::kPermissionDenied);
  EXPECT_THAT(labels.written, Not(testing::Contains(top_)));
  labels.failures.clear();
  ASSERT_TRUE(LabelStore(top_, "l", labels).ok());
  EXPECT_EQ(labels.written.back(), top_);
  EXPECT_THAT(labels.written, testing::Contains(top_ + "/a/b"));
  labels.written.clear();
  labels.labels.erase(top_ + "/a/b");  // not looked at again
  ASSERT_TRUE(LabelStore(top_, "l", labels).ok());
  EXPECT_THAT(labels.written, IsEmpty());
  EXPECT_THAT(LabelStore(top_ + "/none", "l", labels).message(), HasSubstr(top_ + "/none"));
}

TEST_F(RelabelTest, OneFile) {
  FakeLabels labels;
  ASSERT_TRUE(RelabelTree(top_ + "/a/b", "l", labels).ok());
  EXPECT_THAT(labels.written, UnorderedElementsAre(top_ + "/a/b"));
}

TEST_F(RelabelTest, TheSystemIsLeftAlone) {
  for (const char* path : {"/", "/etc", "/usr", "/usr/", "/var/lib", "/proc", "/proc/self/fdinfo",
                           "/sys", "/sys/kernel"}) {
    FakeLabels labels;
    EXPECT_TRUE(RelabelTree(path, "l", labels).ok()) << path;
    EXPECT_THAT(labels.written, IsEmpty()) << path;
  }
  FakeLabels labels;  // /etc under another name
  EXPECT_TRUE(RelabelTree("/proc/self/root/etc", "l", labels).ok());
  EXPECT_THAT(labels.written, IsEmpty());
}

// A container sees what is mounted below its volume, so that is relabelled too, but no part of the
// system that somebody shows there.
TEST_F(RelabelTest, MountsBelow) {
  FakeLabels labels;
  const auto relabel = [&]() -> Status {
    if (::unshare(CLONE_FS | CLONE_NEWNS) != 0) return Errno("unshare");
    CRISP_RETURN_IF_ERROR(Mount("none", "/", "", MS_REC | MS_PRIVATE, ""));
    for (const char* name : {"/disk", "/copy", "/system", "/kernel"}) {
      std::filesystem::create_directory(top_ + name);
    }
    CRISP_RETURN_IF_ERROR(Mount("none", top_ + "/disk", "tmpfs", 0, "size=1m"));
    std::filesystem::create_directory(top_ + "/disk/below");
    CRISP_RETURN_IF_ERROR(BindMount(files_.path() + "/outside", top_ + "/copy"));
    CRISP_RETURN_IF_ERROR(BindMount("/etc", top_ + "/system"));
    CRISP_RETURN_IF_ERROR(BindMount("/proc/sys", top_ + "/kernel"));
    return RelabelTree(top_, "l", labels);
  };
  const Status status = RunOnOwnThread(relabel);
  if (labels.written.empty()) GTEST_SKIP() << "mounting needs root: " << status.ToString();
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(labels.written,
              UnorderedElementsAre(top_, top_ + "/a", top_ + "/a/b", top_ + "/link", top_ + "/dir",
                                   top_ + "/disk", top_ + "/disk/below", top_ + "/copy",
                                   top_ + "/copy/file"));
}

TEST_F(RelabelTest, RealAttributes) {
  if (::setxattr(files_.path().c_str(), "security.selinux", "x:y:z:s0", 9, 0) != 0) {
    GTEST_SKIP() << "security.selinux cannot be written here: " << strerror(errno);
  }
  const std::string label = "system_u:object_r:container_file_t:s0:c1,c2";
  ASSERT_TRUE(RelabelTree(top_, label).ok());
  for (const char* name : {"", "/a", "/a/b"}) EXPECT_EQ(LabelOf(top_ + name), label) << name;
  EXPECT_NE(LabelOf(files_.path() + "/outside/file"), label);
  EXPECT_NE(LabelOf(files_.path() + "/outside"), label);
}

}  // namespace
}  // namespace crisp::oci
