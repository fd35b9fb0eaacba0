// An Environment in a directory of its own, with pods.db and one sandbox, "11", whose runtime only
// remembers; without a daemon.
#ifndef CRISP_TESTS_UNIT_POD_ENVIRONMENT_FIXTURE_H_
#define CRISP_TESTS_UNIT_POD_ENVIRONMENT_FIXTURE_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <string>
#include <utility>

#include "base/core/dir_fd.h"
#include "pod/environment.h"
#include "pod_fixtures.h"
#include "recording_runtime.h"

namespace crisp::pod {

class EnvironmentTest : public ::testing::Test {
 protected:
  // `options` without their directories.
  void Open(Options options, SandboxRow sandbox) {
    std::string pattern = ::testing::TempDir() + "crisp-pod-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    options.root = directory_;
    options.state = directory_;
    env_ = std::make_unique<Environment>(std::move(options));
    auto opened = StateDb::Open(directory_ + "/pods.db");
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    env_->db = std::move(opened).value();
    sandbox_ = std::make_shared<Sandbox>(std::move(sandbox), &runtime_, env_->roots,
                                         env_->options.work_lane);
    ASSERT_TRUE(env_->registry.Add(sandbox_).ok());
  }
  void Open(Options options) { Open(std::move(options), MakeSandboxRow("pod", "11")); }
  ContainerPtr Add(ContainerRow row) {
    row.sandbox = sandbox_->id();
    auto container = std::make_shared<Container>(std::move(row), sandbox_, env_->roots);
    EXPECT_TRUE(env_->registry.Add(container).ok());
    return container;
  }
  // Last: what the options point at is the derived test's.
  void TearDown() override {
    sandbox_.reset();
    env_.reset();
    if (directory_.empty()) return;
    EXPECT_TRUE(RemoveTreeAt(directory_).ok());
  }

  RecordingRuntime runtime_;
  std::string directory_;
  std::unique_ptr<Environment> env_;
  SandboxPtr sandbox_;
};

}  // namespace crisp::pod

#endif  // CRISP_TESTS_UNIT_POD_ENVIRONMENT_FIXTURE_H_
