// EventCalls: the open GetContainerEvents streams. Included by server.cc alone, as it needs gRPC.
//
// One write is under way at a time; what happens meanwhile waits in the pod room's bounded queue,
// and a client that lets that fill up is told RESOURCE_EXHAUSTED (cri-contract section 15).
// Threads: notifications come from any thread and never block; gRPC's callbacks from its threads.
#ifndef CRISP_SERVER_RPC_EVENT_CALL_H_
#define CRISP_SERVER_RPC_EVENT_CALL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <mutex>
#include <set>

#include "pod/pod_service.h"
#include "server/rpc/wire_status.h"

namespace crisp::rpc {

class EventCalls {
 public:
  grpc::ServerWriteReactor<pod::v1::ContainerEventResponse>* Open(pod::PodService* pods) {
    auto call = std::make_shared<Call>(this);
    call->self_ = call;  // until OnDone
    {
      std::lock_guard lock(mutex_);
      open_.insert(call.get());
    }
    std::weak_ptr<Call> weak = call;
    call->Begin(pods->SubscribeEvents([weak] {
      if (auto alive = weak.lock()) alive->Pump();
    }));
    return call.get();
  }

  // Ends all streams; for a server that stops.
  void EndAll() {
    std::set<std::shared_ptr<Call>> ending;
    {
      std::lock_guard lock(mutex_);
      for (Call* call : open_) ending.insert(call->self_);
    }
    for (const auto& call : ending) {
      if (call) call->End(Unavailable("the daemon is stopping"));
    }
  }

 private:
  class Call final : public grpc::ServerWriteReactor<pod::v1::ContainerEventResponse> {
   public:
    explicit Call(EventCalls* owner) : owner_(owner) {}

    void Begin(std::unique_ptr<pod::EventReader> reader) {
      {
        std::lock_guard lock(mutex_);
        reader_ = std::move(reader);
      }
      Pump();  // what came before the reader was in place
    }

    // Writes the next event unless a write is under way.
    void Pump() {
      std::lock_guard lock(mutex_);
      if (writing_ || ended_ || !reader_) return;
      auto event = reader_->Next();
      if (event.ok()) {
        writing_ = true;
        event_ = std::move(event).value();
        StartWrite(&event_);
      } else if (event.status().code() != Code::kNotFound) {
        EndLocked(event.status());
      }
    }

    void End(const Status& status) {
      std::lock_guard lock(mutex_);
      EndLocked(status);
    }

    void OnWriteDone(bool ok) override {
      {
        std::lock_guard lock(mutex_);
        writing_ = false;
        if (!ok) EndLocked(Cancelled("the client is gone"));
      }
      Pump();
    }
    void OnCancel() override { End(Cancelled("the client is gone")); }
    void OnDone() override {
      std::shared_ptr<Call> last;  // frees this object after the locks
      std::unique_ptr<pod::EventReader> reader;
      {
        std::lock_guard lock(mutex_);
        reader = std::move(reader_);
      }
      std::lock_guard lock(owner_->mutex_);
      owner_->open_.erase(this);
      last = std::move(self_);
    }

    std::shared_ptr<Call> self_;  // guarded by the owner's mutex

   private:
    void EndLocked(const Status& status) {
      if (std::exchange(ended_, true)) return;
      const WireStatus wire = ToWire(status);
      Finish(grpc::Status(static_cast<grpc::StatusCode>(wire.code), wire.message));
    }

    EventCalls* const owner_;
    std::mutex mutex_;  // guards what follows
    std::unique_ptr<pod::EventReader> reader_;
    pod::v1::ContainerEventResponse event_;  // gRPC's while writing_
    bool writing_ = false;
    bool ended_ = false;
  };

  std::mutex mutex_;  // guards open_ and each call's self_
  std::set<Call*> open_;
};

}  // namespace crisp::rpc

#endif  // CRISP_SERVER_RPC_EVENT_CALL_H_
