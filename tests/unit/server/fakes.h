// Rooms in memory: what the RPCs that the server answers itself are tested with.
#ifndef CRISP_TESTS_UNIT_SERVER_FAKES_H_
#define CRISP_TESTS_UNIT_SERVER_FAKES_H_

#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fake_pods.h"
#include "server/config/load.h"
#include "server/rpc/backend.h"

namespace crisp::rpc {

class FakeImages final : public image::ImageService {
 public:
  std::vector<image::ImagePtr> List() const override { return images; }
  Result<image::ImagePtr> Find(const std::string& reference) const override {
    if (!find_error.ok()) return find_error;
    for (const auto& image : images) {
      if (image->id == reference) return image;
      for (const auto& tag : image->repo_tags) {
        if (tag == reference) return image;
      }
    }
    return image::ImagePtr();
  }
  Result<std::string> Pull(const image::PullRequest& request) override {
    pulled = request;
    if (on_pull) on_pull(request);
    if (!pull_error.ok()) return pull_error;
    return std::string("sha256:pulled");
  }
  Result<std::vector<std::string>> Import(const std::string& path, const std::string& name,
                                          const CancelToken& cancel) override {
    import_cancel = cancel;
    return std::vector<std::string>{path, name};
  }
  Status Remove(const std::string& reference) override {
    removed.push_back(reference);
    return OkStatus();
  }
  std::vector<image::PullProgress> Pulls() const override { return pulls; }
  Result<image::CheckReport> Check(bool repair, const CancelToken&) override {
    check_report.layers_checked = repair ? 2 : 1;
    return check_report;
  }
  image::Collected Collect() override { return {3, 4}; }
  Status Export(const std::string& reference, const std::string& path,
                const CancelToken&) override {
    exported = {reference, path};
    return OkStatus();
  }
  image::FsInfo GetFsInfo() const override { return {"/store", 5, 6, 7}; }
  Result<image::LeasePtr> Acquire(const std::string&) override { return NotFound("lease"); }
  Status MountRootfs(const image::Lease&, const std::string&, const std::string&,
                     const std::string&, const image::MountOptions&) override {
    return OkStatus();
  }
  Status MountImage(const image::Lease&, const std::string&, const image::MountOptions&) override {
    return OkStatus();
  }
  void CollectGarbage() override {}
  Status Reload(image::Reloadable) override { return OkStatus(); }

  std::vector<image::ImagePtr> images;
  std::vector<image::PullProgress> pulls;
  image::CheckReport check_report;
  std::vector<std::string> exported;
  Status find_error;
  Status pull_error;
  std::function<void(const image::PullRequest&)> on_pull;
  image::PullRequest pulled;
  CancelToken import_cancel;
  std::vector<std::string> removed;
};

class FakeNetwork final : public network::Network {
 public:
  network::Readiness readiness() const override { return ready; }
  Result<network::PodAddresses> Add(const network::Attachment&, const CancelToken&) override {
    return network::PodAddresses();
  }
  Status Del(const network::Attachment&, const CancelToken&) override { return OkStatus(); }
  Result<std::vector<SandboxId>> ListCached() const override { return std::vector<SandboxId>(); }
  Result<network::PodAddresses> CachedAddresses(const SandboxId&) const override {
    return NotFound("addresses");
  }
  void SetPodCidrs(std::vector<std::string> all) override { cidrs = std::move(all); }

  network::Readiness ready{true, "", "", "/etc/cni/net.d/10-x.conflist", "{\"name\":\"x\"}"};
  std::vector<std::string> cidrs;
};

class FakeRuntime final : public oci::Runtime {
 public:
  FakeRuntime(const std::string& handler, bool recursive_read_only) {
    options_.handler = handler;
    features_.recursive_read_only = recursive_read_only;
  }
  const oci::RuntimeOptions& options() const override { return options_; }
  const oci::RuntimeFeatures& features() const override { return features_; }
  const CgroupLayout& exec_cgroup_layout() const override { return layout_; }
  std::vector<std::string> BaseArgv() const override { return {}; }
  Status Start(const ContainerId&, MonoTime) override { return OkStatus(); }
  Status EnsureDeleted(const ContainerId&, MonoTime) override { return OkStatus(); }
  Result<oci::RuntimeState> State(const ContainerId&, MonoTime) override {
    return oci::RuntimeState();
  }
  Status Update(const ContainerId&, const oci::LinuxResources&, MonoTime) override {
    return OkStatus();
  }
  Result<pid_t> ExecDetached(const oci::ExecRequest&) override { return NotFound("exec"); }

 private:
  oci::RuntimeOptions options_;
  oci::RuntimeFeatures features_;
  CgroupLayout layout_;
};

// A backend of fakes.
struct FakeRooms {
  FakeRooms() : config(MakeConfig()) {
    pods.runtimes = {&crun, &runc};
    backend.config = &config;
    backend.pods = &pods;
    backend.images = &images;
    backend.network = &network;
    backend.work_lane = &work_lane;
    backend.pull_lane = &pull_lane;
    backend.default_handler = "crun";
  }
  static config::Config MakeConfig() {
    config::Config out;
    out.runtimes["crun"].path = "/usr/bin/crun";
    out.runtimes["runc"].path = "/usr/bin/runc";
    out.default_runtime = "crun";
    return out;
  }

  Telemetry telemetry;
  CurrentConfig config;
  FakeRuntime crun{"crun", true};
  FakeRuntime runc{"runc", false};
  FakePods pods;
  FakeImages images;
  FakeNetwork network;
  Lane work_lane{"work", 1, 16, &telemetry};
  Lane pull_lane{"pull", 1, 16, &telemetry};
  Backend backend;
};

// Waits for the answer of a slow RPC.
template <typename Response, typename Start>
Result<Response> Wait(Start start) {
  std::promise<Result<Response>> answer;
  start([&](Result<Response> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}

}  // namespace crisp::rpc

#endif  // CRISP_TESTS_UNIT_SERVER_FAKES_H_
