// An OCI runtime that does nothing, says so, and remembers what it was told. Those that run
// commands derive from it.
#ifndef CRISP_TESTS_UNIT_POD_RECORDING_RUNTIME_H_
#define CRISP_TESTS_UNIT_POD_RECORDING_RUNTIME_H_

#include <string>
#include <vector>

#include "oci/runtime.h"

namespace crisp::pod {

class RecordingRuntime : public oci::Runtime {
 public:
  const oci::RuntimeOptions& options() const override { return options_; }
  const oci::RuntimeFeatures& features() const override { return features_; }
  const CgroupLayout& exec_cgroup_layout() const override { return layout_; }
  std::vector<std::string> BaseArgv() const override { return {}; }
  Status Start(const ContainerId&, MonoTime) override {
    ++starts;
    return OkStatus();
  }
  Status EnsureDeleted(const ContainerId&, MonoTime) override {
    ++deletes;
    return delete_status;
  }
  Result<oci::RuntimeState> State(const ContainerId&, MonoTime) override {
    return oci::RuntimeState();
  }
  Status Update(const ContainerId&, const oci::LinuxResources& limits, MonoTime) override {
    updates.push_back(limits);
    return OkStatus();
  }
  Result<pid_t> ExecDetached(const oci::ExecRequest&) override {
    return Unimplemented("no commands");
  }

  int starts = 0;
  int deletes = 0;
  Status delete_status;
  std::vector<oci::LinuxResources> updates;

 protected:
  oci::RuntimeFeatures features_;
  CgroupLayout layout_;

 private:
  const oci::RuntimeOptions options_;
};

}  // namespace crisp::pod

#endif  // CRISP_TESTS_UNIT_POD_RECORDING_RUNTIME_H_
