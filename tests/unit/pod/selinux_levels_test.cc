#include "pod/selinux_levels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <vector>

#include "pod/environment.h"
#include "pod/selinux_labels.h"
#include "pod_fixtures.h"

namespace crisp::pod {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

TEST(SelinuxLevelsTest, PairsAreInOrderAndUnique) {
  SelinuxLevels levels;
  std::vector<SelinuxLevel> held;
  std::set<std::string> seen;
  for (int i = 0; i < 500; ++i) {
    auto taken = levels.Take("s0");
    ASSERT_TRUE(taken.ok());
    const std::string text = taken->text();
    EXPECT_THAT(text, MatchesRegex("s0:c[0-9]+,c[0-9]+"));
    int low = 0, high = 0;
    ASSERT_EQ(std::sscanf(text.c_str(), "s0:c%d,c%d", &low, &high), 2) << text;
    EXPECT_LT(low, high);
    EXPECT_LT(high, 1024);
    EXPECT_TRUE(seen.insert(text).second) << text;
    held.push_back(std::move(taken).value());
  }
}

// All pairs once: the last one is found, the next one is refused, and what is given back is free.
TEST(SelinuxLevelsTest, AllOfThem) {
  SelinuxLevels levels(/*categories=*/8);
  std::vector<SelinuxLevel> held;
  for (int high = 1; high < 8; ++high) {
    for (int low = 0; low < high; ++low) {
      if (low == 3 && high == 6) continue;
      held.push_back(levels.Hold(Cat("s0:c", low, ",c", high)));
    }
  }
  {
    const auto last = levels.Take("s0");
    ASSERT_TRUE(last.ok());
    EXPECT_EQ(last->text(), "s0:c3,c6");
    const Status refused = levels.Take("s0").status();
    EXPECT_EQ(refused.code(), Code::kResourceExhausted);
    EXPECT_THAT(refused.message(), HasSubstr("all 28 pairs"));
  }
  EXPECT_EQ(levels.Take("s0")->text(), "s0:c3,c6") << "given back";
}

TEST(SelinuxLevelsTest, ALevelThatSeveralPodsShare) {
  SelinuxLevels levels;
  EXPECT_THAT(levels.Hold("").text(), IsEmpty());
  std::optional<SelinuxLevel> outliving;
  {
    SelinuxLevels others;
    SelinuxLevel first = others.Hold("s0:c1,c2");
    const SelinuxLevel second = others.Hold("s0:c1,c2");
    outliving.emplace(std::move(first));
  }
  EXPECT_EQ(outliving->text(), "s0:c1,c2");
}

TEST(SelinuxLevelsTest, OneLevelInSeveralSpellings) {
  for (const char* spelling : {"s0:c1,c0", "s0:c0.c1", "s0:c0,c1", "s0:c01,c0,c1"}) {
    SelinuxLevels levels(/*categories=*/2);
    {
      const SelinuxLevel held = levels.Hold(spelling);
      EXPECT_EQ(held.text(), spelling) << "as the client wrote it";
      EXPECT_FALSE(levels.Take("s0").ok()) << spelling;
    }
    EXPECT_TRUE(levels.Take("s0").ok()) << spelling;
  }
  SelinuxLevels levels(/*categories=*/2);
  for (const char* other : {"s1:c0,c1", "s0:c0,c1,c2", "s0-s0:c0,c1", "s0", "s0:", "s0:c", "s0:c1,",
                            "s0:c0.c4294967295", "s0:c0,1", ":"}) {
    const SelinuxLevel held = levels.Hold(other);
    EXPECT_TRUE(levels.Take("s0").ok()) << other;
  }
}

class SelinuxLabelsOfPodsTest : public ::testing::Test {
 protected:
  static Options WithSelinux() {
    Options out;
    out.root = "/nowhere/root";
    out.state = "/nowhere/state";
    out.selinux.enabled = true;
    return out;
  }
  SandboxPtr Make(SandboxRow row) {
    auto level = ChooseSelinuxLevel(&env_, row.config);
    EXPECT_TRUE(level.ok());
    row.selinux_level = level->text();
    return std::make_shared<Sandbox>(std::move(row), nullptr, env_.roots, nullptr,
                                     std::move(level).value());
  }
  Environment env_{WithSelinux()};
};

TEST_F(SelinuxLabelsOfPodsTest, PodsAreApartAndContainersTogether) {
  const SandboxPtr one = Make(MakeSandboxRow("one", "11"));
  const SandboxPtr two = Make(MakeSandboxRow("two", "22"));
  EXPECT_THAT(one->selinux_level(), MatchesRegex("s0:c[0-9]+,c[0-9]+"));
  EXPECT_NE(one->selinux_level(), two->selinux_level());
  EXPECT_EQ(SelinuxLabelsOf(env_, *one)->process,
            "system_u:system_r:container_t:" + one->selinux_level());
  const std::string file = "system_u:object_r:container_file_t:" + one->selinux_level();
  EXPECT_EQ(SelinuxLabelsOf(env_, *one)->mount, file);
  ContainerRow row = MakeContainerRow("c", "33");
  EXPECT_EQ(*MountLabel(env_, *MakeContainer(row, one)), file);
  row.config.mutable_linux()->mutable_security_context()->mutable_selinux_options()->set_type("t");
  EXPECT_EQ(*MountLabel(env_, *MakeContainer(row, one)), file) << "the pod's level";
  row.config.mutable_linux()->mutable_security_context()->mutable_selinux_options()->set_level(
      "s0:c5");
  EXPECT_EQ(*MountLabel(env_, *MakeContainer(row, one)),
            "system_u:object_r:container_file_t:s0:c5");
}

TEST_F(SelinuxLabelsOfPodsTest, TheClientsOwnLevel) {
  SandboxRow row = MakeSandboxRow("one", "11");
  v1::SELinuxOption& options =
      *row.config.mutable_linux()->mutable_security_context()->mutable_selinux_options();
  options.set_level("s0:c1,c2");
  EXPECT_EQ(Make(row)->selinux_level(), "s0:c1,c2");
  options.set_level("c1,c2");
  const Status refused = SelinuxLabelsOf(env_, *Make(row)).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("selinux_options.level: 'c1,c2'"));
}

TEST_F(SelinuxLabelsOfPodsTest, NoneWithoutLevels) {
  Options options = WithSelinux();
  options.selinux.mls = false;
  Environment env{std::move(options)};
  EXPECT_THAT(ChooseSelinuxLevel(&env, {})->text(), IsEmpty());
}

TEST_F(SelinuxLabelsOfPodsTest, NoneWithoutSelinux) {
  Environment env{Options()};
  EXPECT_THAT(ChooseSelinuxLevel(&env, {})->text(), IsEmpty());
  const SandboxPtr sandbox = MakeSandbox(MakeSandboxRow("one", "11"));
  EXPECT_THAT(SelinuxLabelsOf(env, *sandbox)->process, IsEmpty());
}

}  // namespace
}  // namespace crisp::pod
