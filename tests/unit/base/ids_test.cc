#include "base/ids.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <unordered_set>

namespace crisp {
namespace {

static_assert(!std::is_convertible_v<SandboxId, ContainerId>);
static_assert(!std::is_convertible_v<std::string, SandboxId>);

TEST(IdsTest, RandomIdsAreWellFormedAndDiffer) {
  std::unordered_set<ContainerId> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto id = ContainerId::MakeRandom();
    EXPECT_TRUE(ContainerId::IsWellFormed(id.str()));
    EXPECT_TRUE(seen.insert(id).second);
  }
  EXPECT_EQ(RandomHex(0), "");
  EXPECT_EQ(RandomHex(100).size(), 200u);
}

TEST(IdsTest, WellFormed) {
  const std::string good(64, 'a');
  EXPECT_TRUE(SandboxId::IsWellFormed(good));
  EXPECT_FALSE(SandboxId::IsWellFormed(""));
  EXPECT_FALSE(SandboxId::IsWellFormed(good.substr(1)));
  EXPECT_FALSE(SandboxId::IsWellFormed(std::string(64, 'A')));
  EXPECT_FALSE(SandboxId::IsWellFormed(std::string(63, 'a') + "/"));
  EXPECT_FALSE(SandboxId::IsWellFormed(std::string(63, 'a') + std::string(1, '\0')));
}

TEST(IdsTest, Order) {
  EXPECT_LT(SandboxId("a"), SandboxId("b"));
  EXPECT_EQ(SandboxId("a"), SandboxId("a"));
  EXPECT_TRUE(SandboxId().empty());
  EXPECT_EQ(SandboxId(std::string(64, 'c')).short_str(), std::string(13, 'c'));
}

}  // namespace
}  // namespace crisp
