#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "oci/account_files.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "# a comment\n"
    "\n"
    "broken line\n"
    "short:x\n"
    "bad:x:abc:0::/:/bin/sh\n"
    "app:x:1000:1000:App:/home/app:/bin/sh\n"
    "1234:x:0:0::/numeric:/bin/sh\n"
    "4294967296:x:0:0::/numeric:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/:/bin/false";  // no newline at the end
constexpr const char* kGroup =
    "root:x:0:\n"
    "app:x:1000:\n"
    "extra:x:50000:app,other\n"
    "blanks:x:60000: other , app \n"
    "50:x:0:\n"
    "staff:x:50:root\n"
    "last:x:70000:app";

class UserTest : public ::testing::Test {
 protected:
  UserTest() {
    rootfs_.Write("etc/passwd", kPasswd);
    rootfs_.Write("etc/group", kGroup);
  }
  Result<ResolvedUser> Resolve(const RequestedUser& user) {
    return ResolveUser(rootfs_.dir(), user);
  }
  TestRootfs rootfs_;
};

RequestedUser Image(const std::string& user) {
  RequestedUser out;
  out.image_user = user;
  return out;
}

TEST_F(UserTest, ImageUserInAllForms) {
  struct Case {
    const char* user;
    uint32_t uid, gid;
    const char* home;
    bool entry;
  };
  for (const Case& c :
       {Case{"", 0, 0, "/root", true}, Case{"app", 1000, 1000, "/home/app", true},
        Case{"1000", 1000, 1000, "/home/app", true}, Case{"1000:50", 1000, 50, "/home/app", true},
        Case{"app:staff", 1000, 50, "/home/app", true}, Case{"app:", 1000, 1000, "/home/app", true},
        Case{"4711", 4711, 0, "", false}, Case{"4711:4712", 4711, 4712, "", false},
        // Names that look like numbers are nobody's.
        Case{"1234", 1234, 0, "", false}, Case{"app:50", 1000, 50, "/home/app", true},
        Case{"app:007", 1000, 7, "/home/app", true}, Case{":staff", 0, 50, "/root", true},
        Case{"nobody", 65534, 65534, "/", true}}) {
    SCOPED_TRACE(c.user);
    const auto user = Resolve(Image(c.user));
    ASSERT_TRUE(user.ok()) << user.status().ToString();
    EXPECT_EQ(user->user.uid, c.uid);
    EXPECT_EQ(user->user.gid, c.gid);
    EXPECT_EQ(user->home, c.home);
    EXPECT_EQ(user->has_passwd_entry, c.entry);
  }
}

TEST_F(UserTest, UnknownNamesAreNotFound) {
  EXPECT_EQ(Resolve(Image("ghost")).status().code(), Code::kNotFound);
  EXPECT_EQ(Resolve(Image("app:ghosts")).status().code(), Code::kNotFound);
  EXPECT_EQ(Resolve(Image("-1")).status().code(), Code::kNotFound);
  EXPECT_EQ(Resolve(Image("4294967295")).status().code(), Code::kNotFound);
  EXPECT_EQ(Resolve(Image("4294967296")).status().code(), Code::kNotFound);  // although a name
  EXPECT_EQ(Resolve(Image("app:4294967296")).status().code(), Code::kNotFound);
  RequestedUser named;
  named.username = "ghost";
  const Status status = Resolve(named).status();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("run_as_username"));
  named.username = "1000";  // must exist as a name
  EXPECT_EQ(Resolve(named).status().code(), Code::kNotFound);
}

TEST_F(UserTest, PrecedenceAndGroups) {
  RequestedUser user = Image("nobody");
  user.username = "app";
  EXPECT_EQ(Resolve(user)->user.uid, 1000u);
  user.uid = 0;
  EXPECT_EQ(Resolve(user)->user.uid, 0u);
  user.uid = 1000;
  EXPECT_EQ(Resolve(user)->user.gid, 1000u) << "the primary group of passwd";
  user.gid = 7;
  EXPECT_EQ(Resolve(user)->user.gid, 7u);

  RequestedUser only_group = Image("app");
  only_group.gid = 7;
  const Status status = Resolve(only_group).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("run_as_group"));
}

TEST_F(UserTest, GroupsPolicies) {
  RequestedUser user;
  user.uid = 1000;
  user.supplemental_groups = {1234, 1000, 1234};
  EXPECT_THAT(Resolve(user)->user.additional_gids, ElementsAre(1000, 50000, 60000, 70000, 1234));
  user.policy = GroupsPolicy::kStrict;
  EXPECT_THAT(Resolve(user)->user.additional_gids, ElementsAre(1000, 1234));
}

TEST_F(UserTest, IdsOutOfRange) {
  for (int64_t bad : {int64_t{-1}, int64_t{2147483648}, INT64_MAX}) {
    RequestedUser user;
    user.uid = bad;
    EXPECT_EQ(Resolve(user).status().code(), Code::kInvalidArgument) << bad;
    user.uid = 1;
    user.gid = bad;
    EXPECT_EQ(Resolve(user).status().code(), Code::kInvalidArgument) << bad;
    user.gid.reset();
    user.supplemental_groups = {bad};
    EXPECT_EQ(Resolve(user).status().code(), Code::kInvalidArgument) << bad;
  }
}

TEST(UserFiles, MissingFilesAreEmpty) {
  TestRootfs rootfs;
  RequestedUser user;
  user.uid = 1000;
  const auto resolved = ResolveUser(rootfs.dir(), user);
  ASSERT_TRUE(resolved.ok());
  EXPECT_EQ(resolved->user.gid, 0u);
  EXPECT_FALSE(resolved->has_passwd_entry);
  EXPECT_THAT(resolved->user.additional_gids, ElementsAre(0));
}

TEST(UserFiles, SymlinkOutOfTheRootfsStaysInside) {
  TestRootfs outside;
  outside.Write("passwd", "leaked:x:4242:4242::/:/bin/sh\n");
  TestRootfs rootfs;
  rootfs.Symlink(outside.path() + "/passwd", "etc/passwd");
  RequestedUser user;
  user.username = "leaked";
  EXPECT_EQ(ResolveUser(rootfs.dir(), user).status().code(), Code::kNotFound);
  // The same link with the target inside works: absolute links mean the rootfs.
  rootfs.Write(outside.path() + "/passwd", "inside:x:7:8::/in:/bin/sh\n");
  user.username = "inside";
  const auto resolved = ResolveUser(rootfs.dir(), user);
  ASSERT_TRUE(resolved.ok()) << resolved.status().ToString();
  EXPECT_EQ(resolved->user.uid, 7u);
}

TEST(UserFiles, DotDotSymlinkAndLoop) {
  TestRootfs rootfs;
  rootfs.Symlink("../../../../../../etc/passwd", "etc/passwd");
  rootfs.Symlink("group", "etc/group");
  RequestedUser user;
  user.uid = 5;
  const auto resolved = ResolveUser(rootfs.dir(), user);
  ASSERT_TRUE(resolved.ok()) << resolved.status().ToString();
  EXPECT_FALSE(resolved->has_passwd_entry);
}

TEST(UserFiles, OtherKindsOfFiles) {
  TestRootfs rootfs;
  ASSERT_EQ(::mkfifo((rootfs.path() + "/etc/passwd").c_str(), 0644), 0);
  RequestedUser user;
  user.uid = 5;
  EXPECT_EQ(ResolveUser(rootfs.dir(), user).status().code(), Code::kInvalidArgument);
  std::filesystem::remove(rootfs.path() + "/etc/passwd");
  std::filesystem::create_directory(rootfs.path() + "/etc/passwd");
  EXPECT_EQ(ResolveUser(rootfs.dir(), user).status().code(), Code::kInvalidArgument);
}

TEST(UserFiles, TooLarge) {
  TestRootfs rootfs;
  rootfs.Write("etc/passwd", std::string(kAccountFileLimit_bytes + 1, 'x'));
  RequestedUser user;
  user.uid = 5;
  const Status status = ResolveUser(rootfs.dir(), user).status();
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("/etc/passwd"));
}

TEST(AccountFiles, HostileLines) {
  using namespace std::string_literals;
  const auto entries = ParsePasswd(
      "a\0b:x:1:1::/:\n"s
      ":x:2:2::/:/bin/sh\n"
      "huge:x:99999999999:1::/:\n"
      "minus:x:-5:1::/:\n"
      "plus:x:+5:1::/:\n"
      "crlf:x:3:4::/h:/bin/sh\r\n"
      "few:x:5:6");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "crlf");
  EXPECT_EQ(entries[0].home, "/h");
  EXPECT_EQ(entries[1].name, "few");
  EXPECT_THAT(entries[1].home, IsEmpty());
  EXPECT_THAT(ParseGroup("g:x\n:x:1:a\nok:x:2:,,a,\n"), ::testing::SizeIs(1));
  EXPECT_THAT(ParseGroup("ok:x:2:,,a,\n")[0].members, ElementsAre("a"));
}

}  // namespace
}  // namespace crisp::oci
