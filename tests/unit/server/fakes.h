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
  Result<std::vector<std::string>> Import(const std::string& path,
                                          const std::string& name) override {
    return std::vector<std::string>{path, name};
  }
  Status Remove(const std::string& reference) override {
    removed.push_back(reference);
    return OkStatus();
  }
  image::FsInfo GetFsInfo() const override { return {"/store", 5, 6, 7}; }
  Result<image::LeasePtr> Acquire(const std::string&) override { return NotFound("lease"); }
  Status MountRootfs(const image::Lease&, const std::string&, const std::string&,
                     const std::string&) override {
    return OkStatus();
  }
  void CollectGarbage() override {}
  void Reload(std::map<std::string, image::RegistryOptions>, std::vector<std::string>) override {}

  std::vector<image::ImagePtr> images;
  Status find_error;
  Status pull_error;
  std::function<void(const image::PullRequest&)> on_pull;
  image::PullRequest pulled;
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
  Status Kill(const ContainerId&, int, MonoTime) override { return OkStatus(); }
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

// Gives what a test pushes.
class FakeEvents {
 public:
  void Push(const std::string& id) {
    std::function<void()> notify;
    {
      std::lock_guard lock(mutex_);
      ids_.push_back(id);
      notify = notify_;
    }
    if (notify) notify();
  }
  std::unique_ptr<pod::EventReader> Subscribe(std::function<void()> notify) {
    std::lock_guard lock(mutex_);
    notify_ = std::move(notify);
    return std::make_unique<Reader>(this);
  }

 private:
  class Reader final : public pod::EventReader {
   public:
    explicit Reader(FakeEvents* events) : events_(events) {}
    Result<v1::ContainerEventResponse> Next() override {
      std::lock_guard lock(events_->mutex_);
      if (events_->ids_.empty()) return NotFound("none");
      v1::ContainerEventResponse out;
      out.set_container_id(events_->ids_.front());
      events_->ids_.pop_front();
      return out;
    }

   private:
    FakeEvents* events_;
  };
  std::mutex mutex_;
  std::deque<std::string> ids_;
  std::function<void()> notify_;
};

class FakePods final : public pod::PodService {
 public:
  std::unique_ptr<pod::EventReader> SubscribeEvents(std::function<void()> notify) override {
    return events.Subscribe(std::move(notify));
  }
  FakeEvents events;

  Status PodSandboxStatus(const v1::PodSandboxStatusRequest& request,
                          v1::PodSandboxStatusResponse*) override {
    return NotFound("sandbox ", request.pod_sandbox_id(), "\xFF");
  }
  Status ListPodSandbox(const v1::ListPodSandboxRequest&,
                        v1::ListPodSandboxResponse* response) override {
    response->add_items()->set_id("pod");
    return OkStatus();
  }
  Status ListContainers(const v1::ListContainersRequest&, v1::ListContainersResponse*) override {
    return OkStatus();
  }
  Status ContainerStatus(const v1::ContainerStatusRequest&, v1::ContainerStatusResponse*) override {
    return NotFound("container");
  }
  Status UpdatePodSandboxResources(const v1::UpdatePodSandboxResourcesRequest&,
                                   v1::UpdatePodSandboxResourcesResponse*) override {
    return OkStatus();
  }
  std::vector<oci::Runtime*> Runtimes() const override { return runtimes; }

  // Answers StopContainer when its client gives up, and records what it was told.
  void StopContainer(v1::StopContainerRequest, CancelToken cancel,
                     Done<v1::StopContainerResponse> done) override {
    waiters_.emplace_back([this, cancel, done = std::move(done)] {
      while (cancel.Check().ok()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const Status why = cancel.Check();
      done(why);
      cancelled.set_value(why.code());
    });
  }
#define CRISP_FAKE_SLOW(Rpc)                                                       \
  void Rpc(v1::Rpc##Request, CancelToken, Done<v1::Rpc##Response> done) override { \
    done(v1::Rpc##Response());                                                     \
  }
  CRISP_FAKE_SLOW(RunPodSandbox)
  CRISP_FAKE_SLOW(StopPodSandbox)
  CRISP_FAKE_SLOW(RemovePodSandbox)
  CRISP_FAKE_SLOW(CreateContainer)
  CRISP_FAKE_SLOW(StartContainer)
  CRISP_FAKE_SLOW(RemoveContainer)
  CRISP_FAKE_SLOW(UpdateContainerResources)
  CRISP_FAKE_SLOW(ReopenContainerLog)
  CRISP_FAKE_SLOW(ExecSync)
  CRISP_FAKE_SLOW(ContainerStats)
  CRISP_FAKE_SLOW(ListContainerStats)
#undef CRISP_FAKE_SLOW

  std::vector<oci::Runtime*> runtimes;
  std::promise<Code> cancelled;

 private:
  std::vector<std::jthread> waiters_;  // joined at the end
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
