#include "base/core/process_stat.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace crisp {
namespace {

// Fields 3 to 24 as the kernel writes them.
constexpr char kFields[] =
    "S 17 42 43 34816 -1 4194560 1 2 3 4 5 6 -7 8 20 0 1 0 987654321 12345678 90\n";

TEST(ProcessStatTest, Fields) {
  const auto stat = ParseProcessStat(Cat("42 (sh) ", kFields));
  ASSERT_TRUE(stat.ok()) << stat.status().ToString();
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 17);
  EXPECT_EQ(stat->session, 43);
  EXPECT_EQ(stat->flags, 4194560u);
  EXPECT_EQ(stat->start_time, 987654321u);
  EXPECT_FALSE(stat->exiting());
}

TEST(ProcessStatTest, TheNameMayHoldAnything) {
  for (const char* name : {"", " ", "a b", ")", "))", "(", "a) Z 1 1 1 1 -1 4 (b", "x) R 1\n(y",
                           "1 (2) S 3", "\xff\xfe", "a)", ") "}) {
    const auto stat = ParseProcessStat(Cat("42 (", name, ") ", kFields));
    ASSERT_TRUE(stat.ok()) << name << ": " << stat.status().ToString();
    EXPECT_EQ(stat->state, 'S') << name;
    EXPECT_EQ(stat->parent, 17) << name;
    EXPECT_EQ(stat->start_time, 987654321u) << name;
  }
}

TEST(ProcessStatTest, OneThatIsBeingReaped) {
  const auto stat =
      ParseProcessStat("42 (sh) Z 17 -1 -1 0 -1 4228364 0 0 0 0 0 0 0 0 20 0 0 0 5 0\n");
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->session, -1);
  EXPECT_TRUE(stat->exiting());
}

TEST(ProcessStatTest, ShortLines) {
  const std::string whole = Cat("42 (sh) ", kFields);
  const size_t enough = whole.find("987654321 ") + 10;
  for (size_t size = 0; size < enough; ++size) {
    const auto stat = ParseProcessStat(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(stat.ok()) << size;
    EXPECT_EQ(stat.status().code(), Code::kDataLoss);
    EXPECT_FALSE(stat.status().message().empty());
  }
  EXPECT_TRUE(ParseProcessStat(std::string_view(whole).substr(0, enough)).ok());
}

TEST(ProcessStatTest, WrongFields) {
  constexpr char kRest[] = " 1 2 3 4 5 6 7 8 20 0 1 0 ";
  for (const std::string& text :
       {Cat("1 (a)S 1 1 1 0 -1 0", kRest, "5 0"), Cat("1 (a) SS 1 1 1 0 -1 0", kRest, "5 0"),
        Cat("1 (a)  S 1 1 1 0 -1 0", kRest, "5 0"), Cat("1 (a) S x 1 1 0 -1 0", kRest, "5 0"),
        Cat("1 (a) S 1 1 1x 0 -1 0", kRest, "5 0"), Cat("1 (a) S 1 1 1 0 -1 -1", kRest, "5 0"),
        Cat("1 (a) S 1 1 1 0 -1 0", kRest, "+5 0"), Cat("1 (a) S 1 1 1 0 -1 0", kRest, "-5 0"),
        Cat("1 a S 1 1 1 0 -1 0", kRest, "5 0")}) {
    EXPECT_EQ(ParseProcessStat(text).status().code(), Code::kDataLoss) << text;
  }
}

TEST(ProcessStatTest, Overflow) {
  constexpr char kRest[] = " 1 2 3 4 5 6 7 8 20 0 1 0 ";
  const auto most =
      ParseProcessStat(Cat("1 (a) S 2147483647 1 1 0 -1 4294967295", kRest, UINT64_MAX, " 0"));
  ASSERT_TRUE(most.ok());
  EXPECT_EQ(most->start_time, UINT64_MAX);
  EXPECT_EQ(most->flags, UINT32_MAX);
  for (const std::string& text : {Cat("1 (a) S 2147483648 1 1 0 -1 0", kRest, "5 0"),
                                  Cat("1 (a) S 1 1 -2147483649 0 -1 0", kRest, "5 0"),
                                  Cat("1 (a) S 1 1 1 0 -1 4294967296", kRest, "5 0"),
                                  Cat("1 (a) S 1 1 1 0 -1 0", kRest, "18446744073709551616 0")}) {
    EXPECT_EQ(ParseProcessStat(text).status().code(), Code::kDataLoss) << text;
  }
}

TEST(ProcessStatTest, ThisProcessUnderAnotherName) {
  std::array<char, 16> name{};
  ASSERT_EQ(::prctl(PR_GET_NAME, name.data()), 0);
  const auto before = ReadProcessStat(::getpid());
  ASSERT_TRUE(before.ok()) << before.status().ToString();
  EXPECT_EQ(before->parent, ::getppid());
  EXPECT_EQ(before->session, ::getsid(0));
  EXPECT_GT(before->start_time, 0u);
  ASSERT_EQ(::prctl(PR_SET_NAME, "a) Z 1 (\nb) X 2"), 0);
  const auto after = ReadProcessStat(::getpid());
  ::prctl(PR_SET_NAME, name.data());
  ASSERT_TRUE(after.ok()) << after.status().ToString();
  EXPECT_EQ(after->parent, before->parent);
  EXPECT_EQ(after->start_time, before->start_time);
}

TEST(ProcessStatTest, AZombieAndThenNobody) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  const auto zombie = ReadProcessStat(child);
  ASSERT_TRUE(zombie.ok()) << zombie.status().ToString();
  EXPECT_EQ(zombie->state, 'Z');
  EXPECT_EQ(zombie->parent, ::getpid());
  EXPECT_TRUE(zombie->exiting());
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(ReadProcessStat(child).status().code(), Code::kNotFound);
}

TEST(ProcessStatTest, TheStatusOfAZombie) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(7);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  const auto zombie = ReadProcessStat(child);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(zombie.ok()) << zombie.status().ToString();
  EXPECT_EQ(zombie->state, 'Z');
  EXPECT_EQ(zombie->wait_status, status);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(ProcessStatTest, WithoutAStatus) {
  EXPECT_FALSE(ParseProcessStat(Cat("42 (sh) ", kFields))->wait_status.has_value());
  std::string line = Cat("42 (sh) ", std::string_view(kFields, sizeof(kFields) - 2));
  for (int field = 25; field < 52; ++field) line += " 0";
  EXPECT_FALSE(ParseProcessStat(line)->wait_status.has_value());
  EXPECT_EQ(ParseProcessStat(line + " 256")->wait_status, 256);
  EXPECT_EQ(ParseProcessStat(line + " 9\n")->wait_status, 9);
  EXPECT_EQ(ParseProcessStat(line + " 9 1")->wait_status, 9);
  EXPECT_FALSE(ParseProcessStat(line + " x")->wait_status.has_value());
}

}  // namespace
}  // namespace crisp
