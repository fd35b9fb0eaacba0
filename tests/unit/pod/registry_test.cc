#include "pod/registry.h"

#include <gtest/gtest.h>

#include "pod_fixtures.h"

namespace crisp::pod {
namespace {

TEST(Registry, FindsByFullIdAndUnambiguousPrefix) {
  Registry registry;
  ASSERT_TRUE(registry.Add(MakeSandbox(MakeSandboxRow("a", "aa11"))).ok());
  ASSERT_TRUE(registry.Add(MakeSandbox(MakeSandboxRow("b", "aa22"))).ok());
  EXPECT_EQ((*registry.GetSandbox("aa11"))->config().metadata().name(), "a");
  EXPECT_EQ((*registry.GetSandbox("aa2"))->config().metadata().name(), "b");
  EXPECT_EQ(registry.GetSandbox("aa").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(registry.GetSandbox("bb").status().code(), Code::kNotFound);
  EXPECT_EQ(registry.GetSandbox("").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(registry.GetSandbox("6f2c-not-hex").status().code(), Code::kNotFound);
}

TEST(Registry, AFullIdIsNotAmbiguousWithALongerOne) {
  Registry registry;
  ASSERT_TRUE(registry.Add(MakeSandbox(MakeSandboxRow("a", "aa"))).ok());
  ASSERT_TRUE(registry.Add(MakeSandbox(MakeSandboxRow("b", "aabb"))).ok());
  EXPECT_EQ((*registry.GetSandbox("aa"))->config().metadata().name(), "a");
}

TEST(Registry, ANameIsTakenUntilItsOwnerIsRemoved) {
  Registry registry;
  const SandboxPtr first = MakeSandbox(MakeSandboxRow("web", "11"));
  ASSERT_TRUE(registry.Add(first).ok());
  const Status taken = registry.Add(MakeSandbox(MakeSandboxRow("web", "22")));
  EXPECT_EQ(taken.code(), Code::kAlreadyExists);
  // The kubelet looks for these words (cri-contract 5.1).
  EXPECT_NE(taken.message().find("failed to reserve sandbox name"), std::string::npos);
  EXPECT_NE(taken.message().find("is reserved for \"11\""), std::string::npos);
  SandboxRow other_attempt = MakeSandboxRow("web", "33");
  other_attempt.config.mutable_metadata()->set_attempt(1);
  EXPECT_TRUE(registry.Add(MakeSandbox(std::move(other_attempt))).ok());
  registry.Remove(first);
  EXPECT_TRUE(registry.Add(MakeSandbox(MakeSandboxRow("web", "22"))).ok());
}

TEST(Registry, NamesThatReadAlikeAreNotTheSame) {
  Registry registry;
  SandboxRow one = MakeSandboxRow("a_b", "11");
  one.config.mutable_metadata()->set_namespace_("c");
  one.config.mutable_metadata()->set_uid("u");
  SandboxRow other = MakeSandboxRow("a", "22");
  other.config.mutable_metadata()->set_namespace_("b_c");
  other.config.mutable_metadata()->set_uid("u");
  const SandboxPtr first = MakeSandbox(std::move(one));
  ASSERT_TRUE(registry.Add(first).ok());
  EXPECT_TRUE(registry.Add(MakeSandbox(other)).ok());
  registry.Remove(first);
  other.id = SandboxId("33");
  EXPECT_EQ(registry.Add(MakeSandbox(std::move(other))).code(), Code::kAlreadyExists);
}

TEST(Registry, WhatIsBeingCreatedHoldsItsNameButIsNotSeen) {
  Registry registry;
  SandboxRow row = MakeSandboxRow("a", "11");
  row.state = SandboxState::kCreating;
  const SandboxPtr sandbox = MakeSandbox(std::move(row));
  ASSERT_TRUE(registry.Add(sandbox).ok());
  EXPECT_EQ(registry.GetSandbox("11").status().code(), Code::kNotFound);
  EXPECT_TRUE(registry.Sandboxes().empty());
  EXPECT_EQ(registry.Add(MakeSandbox(MakeSandboxRow("a", "22"))).code(), Code::kAlreadyExists);
  sandbox->set_state(SandboxState::kReady);
  EXPECT_EQ(registry.Sandboxes().size(), 1u);
}

TEST(Registry, ContainersOfASandboxIncludeThoseBeingCreated) {
  Registry registry;
  const SandboxPtr sandbox = MakeSandbox(MakeSandboxRow("a", "11"));
  ContainerRow row = MakeContainerRow("c", "c1");
  row.state = ContainerState::kCreating;
  const ContainerPtr container = MakeContainer(std::move(row), sandbox);
  ASSERT_TRUE(registry.Add(container).ok());
  EXPECT_TRUE(registry.Containers().empty());
  EXPECT_EQ(registry.ContainersOf(sandbox->id()).size(), 1u);
  EXPECT_TRUE(registry.ContainersOf(SandboxId("22")).empty());
  registry.Remove(container);
  registry.Remove(container);
  EXPECT_TRUE(registry.ContainersOf(sandbox->id()).empty());
}

}  // namespace
}  // namespace crisp::pod
