#include "base/core/own_thread.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>

namespace crisp {
namespace {

TEST(OwnThreadTest, WhatTheWorkChangesEndsWithIt) {
  const auto before = std::filesystem::current_path();
  const Status status = RunOnOwnThread([]() -> Status {
    if (::unshare(CLONE_FS) != 0) return Errno("unshare");
    return ::chdir("/") == 0 ? OkStatus() : Errno("chdir");
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(std::filesystem::current_path(), before);
}

TEST(OwnThreadTest, TheWorksFailureIsTheCallers) {
  EXPECT_EQ(RunOnOwnThread([] { return NotFound("that"); }).code(), Code::kNotFound);
}

TEST(OwnThreadTest, WithoutAThreadNothingIsRun) {
  pthread_attr_t usual;
  ASSERT_EQ(::pthread_getattr_default_np(&usual), 0);
  pthread_attr_t endless;
  ASSERT_EQ(::pthread_getattr_default_np(&endless), 0);
  // More than there are addresses.
  ASSERT_EQ(::pthread_attr_setstacksize(&endless, size_t{1} << 50), 0);
  ASSERT_EQ(::pthread_setattr_default_np(&endless), 0);
  bool ran = false;
  const Status status = RunOnOwnThread([&] {
    ran = true;
    return OkStatus();
  });
  ASSERT_EQ(::pthread_setattr_default_np(&usual), 0);
  EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.ToString();
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace crisp
