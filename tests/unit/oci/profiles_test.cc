// AppArmor, on machines that are described rather than present.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/core/file.h"
#include "oci/apparmor.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Type = RequestedProfile::Type;

// Does to the list of profiles what a kernel does when a profile and its child are loaded: the
// children of the one before stay.
constexpr const char* kParser = R"sh(#!/bin/sh
cd "$(dirname "$0")/.." || exit
cat >text
echo "$*" >>calls
[ ! -e broken ] || { echo cannot >&2; exit 1; }
child=$(sed -n 's/^ *profile \(text-[0-9a-f]*\) {}$/\1/p' text)
grep -v '^crisp-default ' profiles >kept
{ cat kept; echo 'crisp-default (enforce)'; echo "crisp-default//$child (enforce)"; } |
  sort -u >profiles
)sh";

class ApparmorTest : public ::testing::Test {
 protected:
  ApparmorTest() {
    files_.Write("profiles", "deny-write (enforce)\nlong-name (complain)\n");
    files_.Write(".remove", "");
    files_.Write("calls", "");
    host_.apparmor = true;
    host_.apparmor_profiles = files_.path() + "/profiles";
    InstallParser();
  }
  ~ApparmorTest() override { ::setenv("PATH", path_.c_str(), 1); }

  void InstallParser() {
    files_.Write("bin/apparmor_parser", kParser);
    std::filesystem::permissions(files_.path() + "/bin/apparmor_parser",
                                 std::filesystem::perms::all);
    ::setenv("PATH", Cat(files_.path(), "/bin").c_str(), 1);
  }
  std::string Read(const std::string& name) { return *ReadFile(files_.path() + "/" + name); }
  size_t Calls() {
    const std::string calls = Read("calls");
    return static_cast<size_t>(std::count(calls.begin(), calls.end(), '\n'));
  }
  Result<std::string> Resolve() { return ResolveApparmor(request_, host_); }

  const std::string path_ = std::getenv("PATH");
  TestRootfs files_;
  HostFacts host_ = FullHost();
  ContainerRequest request_;
};

TEST_F(ApparmorTest, Values) {
  EXPECT_EQ(*Resolve(), "crisp-default");
  request_.apparmor_profile = "runtime/default";
  EXPECT_EQ(*Resolve(), "crisp-default");
  request_.apparmor_profile = "unconfined";
  EXPECT_EQ(*Resolve(), "unconfined");
  request_.apparmor_profile = "localhost/deny-write";
  EXPECT_EQ(*Resolve(), "deny-write");
  request_.apparmor_profile = "deny-write";
  EXPECT_EQ(Resolve().status().code(), Code::kInvalidArgument);
}

TEST_F(ApparmorTest, TheFieldWins) {
  request_.apparmor_profile = "localhost/missing";
  for (const char* ref : {"deny-write", "localhost/deny-write"}) {
    request_.apparmor = RequestedProfile{Type::kLocalhost, ref};
    EXPECT_EQ(*Resolve(), "deny-write");
  }
  request_.apparmor = RequestedProfile{};
  EXPECT_EQ(*Resolve(), "crisp-default");
  request_.apparmor = RequestedProfile{Type::kUnconfined, "x"};
  EXPECT_EQ(Resolve().status().code(), Code::kInvalidArgument);
}

TEST_F(ApparmorTest, ProfilesMustBeLoaded) {
  for (const char* name : {"missing", "deny", "long", "name"}) {
    request_.apparmor = RequestedProfile{Type::kLocalhost, name};
    const Status status = Resolve().status();
    EXPECT_EQ(status.code(), Code::kNotFound) << name;
    EXPECT_THAT(status.message(), HasSubstr(name));
  }
  request_.apparmor = RequestedProfile{Type::kLocalhost, "localhost/"};
  EXPECT_EQ(Resolve().status().code(), Code::kInvalidArgument);
}

TEST_F(ApparmorTest, NamesWithParentheses) {
  files_.Write("profiles", "a (b) (enforce)\nc (complain)\nd\n");
  for (const char* name : {"a (b)", "c"}) {
    request_.apparmor = RequestedProfile{Type::kLocalhost, name};
    EXPECT_EQ(*Resolve(), name);
  }
  // Part of a name, two lines, a line without a mode.
  for (const char* name : {"a", "a (b) (enforce)\nc", "d", "b"}) {
    request_.apparmor = RequestedProfile{Type::kLocalhost, name};
    EXPECT_EQ(Resolve().status().code(), Code::kNotFound) << name;
  }
}

TEST_F(ApparmorTest, PrivilegedAndDisabledHosts) {
  request_.privileged = true;
  EXPECT_THAT(*Resolve(), IsEmpty());
  request_.privileged = false;
  host_.apparmor = false;
  EXPECT_THAT(*Resolve(), IsEmpty());
  request_.apparmor = RequestedProfile{Type::kUnconfined, ""};
  EXPECT_THAT(*Resolve(), IsEmpty());
  request_.apparmor = RequestedProfile{Type::kLocalhost, "deny-write"};
  EXPECT_EQ(Resolve().status().code(), Code::kFailedPrecondition);
}

TEST_F(ApparmorTest, TheDefaultIsLoadedOnce) {
  EXPECT_EQ(*Resolve(), "crisp-default");
  EXPECT_EQ(Read("calls"), "--replace --skip-cache\n");
  EXPECT_THAT(Read("text"), HasSubstr("deny /sys/{class,devices/virtual}/powercap/** rwklx,"));
  const std::string loaded = Read("profiles");
  EXPECT_THAT(loaded, HasSubstr("crisp-default (enforce)\ncrisp-default//text-"));
  EXPECT_EQ(*Resolve(), "crisp-default");
  RefreshDefaultApparmor(host_, nullptr);
  EXPECT_EQ(Calls(), 1u);
}

TEST_F(ApparmorTest, AnotherTextIsReplaced) {
  RefreshDefaultApparmor(host_, nullptr);
  EXPECT_EQ(Calls(), 0u) << "not before it is needed";
  for (const bool at_start : {true, false}) {  // of a crisp that marked nothing
    files_.Write("profiles", "crisp-default (enforce)\n");
    files_.Write("calls", "");
    if (at_start) RefreshDefaultApparmor(host_, nullptr);
    EXPECT_EQ(*Resolve(), "crisp-default");
    EXPECT_EQ(Calls(), 1u);
    EXPECT_THAT(Read("profiles"), HasSubstr("crisp-default//text-"));
  }
  EXPECT_EQ(Read(".remove"), "");
  // Of another version: its mark would stay.
  files_.Write("profiles", Cat(Read("profiles"), "crisp-default//text-1 (enforce)\n"));
  EXPECT_EQ(*Resolve(), "crisp-default");
  EXPECT_EQ(Calls(), 2u);
  EXPECT_EQ(Read(".remove"), "crisp-default//text-1");
}

TEST_F(ApparmorTest, WhereItCannotBeLoaded) {
  files_.Write("broken", "");
  EXPECT_EQ(Resolve().status().code(), Code::kInternal);
  EXPECT_THAT(Resolve().status().message(), HasSubstr("could not load crisp-default: cannot"));
  files_.Write("profiles", "crisp-default (enforce)\n");
  EXPECT_EQ(*Resolve(), "crisp-default") << "another text is better than none";
  ::setenv("PATH", files_.path().c_str(), 1);
  EXPECT_EQ(*Resolve(), "crisp-default");
  files_.Write("profiles", "");
  EXPECT_THAT(*Resolve(), IsEmpty()) << "no apparmor_parser";
}

// A node that is a container itself sees the kernel's switch, but no profiles.
TEST_F(ApparmorTest, WithoutSecurityfs) {
  host_.apparmor_profiles = files_.path() + "/not-mounted/profiles";
  EXPECT_THAT(*Resolve(), IsEmpty());
  request_.apparmor = RequestedProfile{Type::kUnconfined, ""};
  EXPECT_EQ(*Resolve(), "unconfined");
  request_.apparmor = RequestedProfile{Type::kLocalhost, "deny-write"};
  const Status status = Resolve().status();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("'deny-write'"));
  EXPECT_THAT(status.message(), HasSubstr("not-mounted/profiles"));
}

}  // namespace
}  // namespace crisp::oci
