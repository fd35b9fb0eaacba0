// A pod room in memory, for the RPCs and for streaming sessions.
#ifndef CRISP_TESTS_UNIT_SERVER_FAKE_PODS_H_
#define CRISP_TESTS_UNIT_SERVER_FAKE_PODS_H_

#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pod/pod_service.h"

namespace crisp::rpc {

namespace v1 = ::runtime::v1;

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
  std::vector<oci::Runtime*> Runtimes() const override { return runtimes; }
  Status CheckUserNamespaces(const oci::Runtime&) const override { return user_namespaces; }
  Status user_namespaces = Unimplemented("not on this machine");

  // Answers StopContainer when its client gives up, and records what it was told. (One call.)
  void StopContainer(v1::StopContainerRequest, CancelToken cancel,
                     pod::Done<v1::StopContainerResponse> done) override {
    entered.set_value(cancel.deadline());
    waiters_.emplace_back([this, cancel, done = std::move(done)] {
      while (cancel.Check().ok()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const Status why = cancel.Check();
      done(why);
      cancelled.set_value(why.code());
    });
  }
#define CRISP_FAKE_SLOW(Rpc)                                                            \
  void Rpc(v1::Rpc##Request, CancelToken, pod::Done<v1::Rpc##Response> done) override { \
    done(v1::Rpc##Response());                                                          \
  }
  CRISP_FAKE_SLOW(RunPodSandbox)
  CRISP_FAKE_SLOW(StopPodSandbox)
  CRISP_FAKE_SLOW(RemovePodSandbox)
  CRISP_FAKE_SLOW(CreateContainer)
  CRISP_FAKE_SLOW(StartContainer)
  CRISP_FAKE_SLOW(RemoveContainer)
  CRISP_FAKE_SLOW(UpdateContainerResources)
  CRISP_FAKE_SLOW(UpdatePodSandboxResources)
  CRISP_FAKE_SLOW(ReopenContainerLog)
  CRISP_FAKE_SLOW(ExecSync)
  CRISP_FAKE_SLOW(ContainerStats)
  CRISP_FAKE_SLOW(ListContainerStats)
#undef CRISP_FAKE_SLOW

  // Streaming: the checks answer what a test sets; what is opened comes from a test's functions.
  Status CheckExec(const v1::ExecRequest&) const override { return check; }
  Status CheckAttach(const v1::AttachRequest&) const override { return check; }
  Status CheckPortForward(const v1::PortForwardRequest&) const override { return check; }
  void OpenExec(v1::ExecRequest request, pod::TerminalSize size, CancelToken cancel,
                pod::Done<std::unique_ptr<pod::ExecStreams>> done) override {
    if (!on_exec) return done(NotFound("container"));
    on_exec(std::move(request), size, cancel, std::move(done));
  }
  void OpenAttach(v1::AttachRequest request, CancelToken,
                  pod::Done<std::unique_ptr<oci::AttachConnection>> done) override {
    if (!on_attach) return done(NotFound("container"));
    on_attach(std::move(request), std::move(done));
  }
  Result<UniqueFd> MakePodSocket(const std::string& sandbox_id, int family) const override {
    if (!on_socket) return NotFound("sandbox");
    return on_socket(sandbox_id, family);
  }
  Status check;
  std::function<void(v1::ExecRequest, pod::TerminalSize, CancelToken,
                     pod::Done<std::unique_ptr<pod::ExecStreams>>)>
      on_exec;
  std::function<void(v1::AttachRequest, pod::Done<std::unique_ptr<oci::AttachConnection>>)>
      on_attach;
  std::function<Result<UniqueFd>(const std::string&, int)> on_socket;

  std::vector<oci::Runtime*> runtimes;
  std::promise<MonoTime> entered;  // the deadline that the room got
  std::promise<Code> cancelled;

 private:
  std::vector<std::jthread> waiters_;  // joined at the end
};

}  // namespace crisp::rpc

#endif  // CRISP_TESTS_UNIT_SERVER_FAKE_PODS_H_
