#include "server/rpc/server.h"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/core/file.h"
#include "cri-api/api.grpc.pb.h"
#include "server/cli/admin.grpc.pb.h"
#include "server/instance_lock.h"
#include "server/prerequisites.h"
#include "server/rpc/call_log.h"
#include "server/rpc/event_call.h"
#include "server/rpc/wire_status.h"

namespace crisp::rpc {
namespace {

// Clients send and accept at most 16 MiB (cri-contract section 1); some room for the envelope.
constexpr int kMaxMessage_bytes = (16 << 20) + (64 << 10);

constexpr auto kQuickCallsGrace = std::chrono::milliseconds(50);

grpc::Status ToGrpc(const Status& status) {
  const WireStatus wire = ToWire(status);
  return grpc::Status(static_cast<grpc::StatusCode>(wire.code), wire.message);
}

MonoTime DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();  // on the wall clock
  if (deadline == std::chrono::system_clock::time_point::max()) return NoDeadline();
  const auto left = deadline - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return NoDeadline();
  return MonoNow() + left;
}

// Counts the slow calls under way, so that a shutdown waits for them and for nothing else: gRPC's
// own waits for the connections, and an idle client may take 5 s to notice that it should close.
class OpenCalls {
 public:
  // False: the server is stopping.
  bool Enter() {
    std::lock_guard lock(mutex_);
    if (!closed_) ++count_;
    return !closed_;
  }
  void Leave() {
    std::lock_guard lock(mutex_);
    if (--count_ == 0) changed_.notify_all();
  }
  void CloseAndWait(MonoTime deadline) {
    std::unique_lock lock(mutex_);
    closed_ = true;
    changed_.wait_until(lock, deadline, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  int count_ = 0;
  bool closed_ = false;
};

// One slow call: alive from its arrival until gRPC has sent the answer.
template <typename Response>
class SlowCall final : public grpc::ServerUnaryReactor {
 public:
  SlowCall(Method* method, const grpc::CallbackServerContext& context, Response* response,
           OpenCalls* open)
      : method_(method), response_(response), open_(open), cancel_(DeadlineOf(context)) {}

  CancelToken token() const { return cancel_.token(); }

  void Complete(Result<Response> result) {
    Status status;
    if (result.ok()) {
      *response_ = std::move(result).value();
    } else {
      status = std::move(result).status();
    }
    method_->Record(status, MonoNow() - begun_);
    Finish(ToGrpc(status));
  }

  void OnCancel() override { cancel_.Cancel(); }
  void OnDone() override {
    OpenCalls* open = open_;
    delete this;
    open->Leave();
  }

 private:
  Method* method_;
  Response* response_;  // gRPC's, valid until OnDone
  OpenCalls* open_;
  CancelSource cancel_;
  MonoTime begun_ = MonoNow();
};

// A stream that ends with a status and no message.
template <typename Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const Status& status) { this->Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

struct Context {
  Backend backend;
  CallLog calls;
  EventCalls events;
  OpenCalls open;

  template <typename Request, typename Answer>
  grpc::ServerUnaryReactor* Quick(std::string_view name, grpc::CallbackServerContext* context,
                                  const Request& request, Answer answer) {
    const MonoTime begun = MonoNow();
    Method* method = calls.Get(name);
    method->LogRequest(request);
    const Status status = answer();
    method->Record(status, MonoNow() - begun);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

  template <typename Request, typename Response, typename Start>
  grpc::ServerUnaryReactor* Slow(std::string_view name, grpc::CallbackServerContext* context,
                                 const Request& request, Response* response, Start start) {
    Method* method = calls.Get(name);
    method->LogRequest(request);
    if (!open.Enter()) {
      const Status stopping = Unavailable("crispd is stopping");
      method->Record(stopping, Duration::zero());
      grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
      reactor->Finish(ToGrpc(stopping));
      return reactor;
    }
    // Deletes itself in OnDone.
    auto* call = new SlowCall<Response>(method, *context, response, &open);
    start(request, call->token(),
          [call](Result<Response> result) { call->Complete(std::move(result)); });
    return call;
  }

  Status NotServed(std::string_view name) {
    Status status = Unimplemented(name, ": crisp " CRISP_VERSION " does not serve this RPC yet");
    calls.Get(name)->Record(status, Duration::zero());
    return status;
  }
};

// The tables below are the whole mapping from RPCs to rooms.
#define CRISP_UNARY(Rpc)                                                          \
  grpc::ServerUnaryReactor* Rpc(grpc::CallbackServerContext* context,             \
                                [[maybe_unused]] const v1::Rpc##Request* request, \
                                [[maybe_unused]] v1::Rpc##Response* response) override
#define CRISP_QUICK(Rpc, answer)                                                                  \
  CRISP_UNARY(Rpc) {                                                                              \
    return context_->Quick(#Rpc, context, *request, [&]() -> ::crisp::Status { return answer; }); \
  }
#define CRISP_SLOW(Rpc, start)                                                  \
  CRISP_UNARY(Rpc) {                                                            \
    return context_->Slow(#Rpc, context, *request, response,                    \
                          [this](const v1::Rpc##Request& r, CancelToken cancel, \
                                 Done<v1::Rpc##Response> done) { start; });     \
  }
#define CRISP_POD_SLOW(Rpc) \
  CRISP_SLOW(Rpc, context_->backend.pods->Rpc(r, std::move(cancel), std::move(done)))
#define CRISP_POD_QUICK(Rpc) CRISP_QUICK(Rpc, context_->backend.pods->Rpc(*request, response))
#define CRISP_NOT_SERVED(Rpc)                                      \
  CRISP_UNARY(Rpc) {                                               \
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor(); \
    reactor->Finish(ToGrpc(context_->NotServed(#Rpc)));            \
    return reactor;                                                \
  }
#define CRISP_STREAM_NOT_SERVED(Rpc, Request, Response)                                         \
  grpc::ServerWriteReactor<v1::Response>* Rpc(grpc::CallbackServerContext*, const v1::Request*) \
      override {                                                                                \
    return new RefusedStream<v1::Response>(context_->NotServed(#Rpc));                          \
  }

class RuntimeCalls final : public v1::RuntimeService::CallbackService {
 public:
  explicit RuntimeCalls(Context* context) : context_(context) {}

  CRISP_QUICK(Version, AnswerVersion(response))
  CRISP_QUICK(Status, AnswerStatus(context_->backend, *request, response))
  CRISP_QUICK(RuntimeConfig, AnswerRuntimeConfig(context_->backend, response))
  CRISP_QUICK(UpdateRuntimeConfig, AnswerUpdateRuntimeConfig(context_->backend, *request))

  CRISP_QUICK(Exec, AnswerExec(context_->backend, *request, response))
  CRISP_QUICK(Attach, AnswerAttach(context_->backend, *request, response))
  CRISP_QUICK(PortForward, AnswerPortForward(context_->backend, *request, response))

  CRISP_POD_QUICK(PodSandboxStatus)
  CRISP_POD_QUICK(ListPodSandbox)
  CRISP_POD_QUICK(ListContainers)
  CRISP_POD_QUICK(ContainerStatus)

  CRISP_POD_SLOW(RunPodSandbox)
  CRISP_POD_SLOW(StopPodSandbox)
  CRISP_POD_SLOW(RemovePodSandbox)
  CRISP_POD_SLOW(CreateContainer)
  CRISP_POD_SLOW(StartContainer)
  CRISP_POD_SLOW(StopContainer)
  CRISP_POD_SLOW(RemoveContainer)
  CRISP_POD_SLOW(UpdateContainerResources)
  CRISP_POD_SLOW(UpdatePodSandboxResources)
  CRISP_POD_SLOW(ReopenContainerLog)
  CRISP_POD_SLOW(ExecSync)
  CRISP_POD_SLOW(ContainerStats)
  CRISP_POD_SLOW(ListContainerStats)

  grpc::ServerWriteReactor<v1::ContainerEventResponse>* GetContainerEvents(
      grpc::CallbackServerContext*, const v1::GetEventsRequest*) override {
    return context_->events.Open(context_->backend.pods);
  }

  CRISP_NOT_SERVED(PodSandboxStats)
  CRISP_NOT_SERVED(ListPodSandboxStats)
  CRISP_NOT_SERVED(CheckpointContainer)
  CRISP_NOT_SERVED(CheckpointPod)
  CRISP_NOT_SERVED(RestorePod)
  CRISP_NOT_SERVED(ListMetricDescriptors)
  CRISP_NOT_SERVED(ListPodSandboxMetrics)
  CRISP_STREAM_NOT_SERVED(StreamPodSandboxes, StreamPodSandboxesRequest, StreamPodSandboxesResponse)
  CRISP_STREAM_NOT_SERVED(StreamContainers, StreamContainersRequest, StreamContainersResponse)
  CRISP_STREAM_NOT_SERVED(StreamContainerStats, StreamContainerStatsRequest,
                          StreamContainerStatsResponse)
  CRISP_STREAM_NOT_SERVED(StreamPodSandboxStats, StreamPodSandboxStatsRequest,
                          StreamPodSandboxStatsResponse)
  CRISP_STREAM_NOT_SERVED(StreamPodSandboxMetrics, StreamPodSandboxMetricsRequest,
                          StreamPodSandboxMetricsResponse)

 private:
  Context* context_;
};

class ImageCalls final : public v1::ImageService::CallbackService {
 public:
  explicit ImageCalls(Context* context) : context_(context) {}

  CRISP_QUICK(ListImages, AnswerListImages(context_->backend, *request, response))
  CRISP_QUICK(ImageStatus, AnswerImageStatus(context_->backend, *request, response))
  CRISP_QUICK(ImageFsInfo, AnswerImageFsInfo(context_->backend, response))
  CRISP_SLOW(PullImage, StartPullImage(context_->backend, r, std::move(cancel), std::move(done)))
  CRISP_SLOW(RemoveImage,
             StartRemoveImage(context_->backend, r, std::move(cancel), std::move(done)))
  CRISP_STREAM_NOT_SERVED(StreamImages, StreamImagesRequest, StreamImagesResponse)

 private:
  Context* context_;
};

class AdminCalls final : public admin::Admin::CallbackService {
 public:
  explicit AdminCalls(Context* context) : context_(context) {}

  grpc::ServerUnaryReactor* ImportImage(grpc::CallbackServerContext* context,
                                        const admin::ImportImageRequest* request,
                                        admin::ImportImageResponse* response) override {
    return context_->Slow("ImportImage", context, *request, response,
                          [this](const admin::ImportImageRequest& r, CancelToken cancel,
                                 Done<admin::ImportImageResponse> done) {
                            StartImportImage(context_->backend, r, std::move(cancel),
                                             std::move(done));
                          });
  }
  grpc::ServerUnaryReactor* ListPulls(grpc::CallbackServerContext* context,
                                      const admin::ListPullsRequest* request,
                                      admin::ListPullsResponse* response) override {
    return context_->Quick("ListPulls", context, *request,
                           [&] { return AnswerListPulls(context_->backend, response); });
  }
  grpc::ServerUnaryReactor* ExportImage(grpc::CallbackServerContext* context,
                                        const admin::ExportImageRequest* request,
                                        admin::ExportImageResponse* response) override {
    return context_->Slow("ExportImage", context, *request, response,
                          [this](const admin::ExportImageRequest& r, CancelToken cancel,
                                 Done<admin::ExportImageResponse> done) {
                            StartExportImage(context_->backend, r, std::move(cancel),
                                             std::move(done));
                          });
  }
  grpc::ServerUnaryReactor* CheckImages(grpc::CallbackServerContext* context,
                                        const admin::CheckImagesRequest* request,
                                        admin::CheckImagesResponse* response) override {
    return context_->Slow("CheckImages", context, *request, response,
                          [this](const admin::CheckImagesRequest& r, CancelToken cancel,
                                 Done<admin::CheckImagesResponse> done) {
                            StartCheckImages(context_->backend, r, std::move(cancel),
                                             std::move(done));
                          });
  }
  grpc::ServerUnaryReactor* CollectImages(grpc::CallbackServerContext* context,
                                          const admin::CollectImagesRequest* request,
                                          admin::CollectImagesResponse* response) override {
    return context_->Slow("CollectImages", context, *request, response,
                          [this](const admin::CollectImagesRequest& r, CancelToken cancel,
                                 Done<admin::CollectImagesResponse> done) {
                            StartCollectImages(context_->backend, r, std::move(cancel),
                                               std::move(done));
                          });
  }

 private:
  Context* context_;
};

void AddMethods(const google::protobuf::FileDescriptor* file, CallLog* calls) {
  for (int i = 0; i < file->service_count(); ++i) {
    for (int j = 0; j < file->service(i)->method_count(); ++j) {
      calls->AddMethod(file->service(i)->method(j)->name());
    }
  }
}

Status SetOwnership(const config::Socket& socket, gid_t group) {
  if (::chown(socket.path.c_str(), static_cast<uid_t>(-1), group) != 0) {
    return Errno(socket.path, ": change group to '", socket.group, "'");
  }
  if (::chmod(socket.path.c_str(), static_cast<mode_t>(socket.mode)) != 0) {
    return Errno(socket.path, ": change mode");
  }
  return OkStatus();
}

}  // namespace

struct Server::Impl {
  Impl(Backend backend, Telemetry* telemetry)
      : context{std::move(backend), CallLog(telemetry), {}, {}},
        runtime(&context),
        image(&context),
        admin(&context) {
    AddMethods(v1::VersionRequest::descriptor()->file(), &context.calls);
    AddMethods(admin::ImportImageRequest::descriptor()->file(), &context.calls);
  }

  Context context;
  RuntimeCalls runtime;
  ImageCalls image;
  AdminCalls admin;
  std::unique_ptr<grpc::Server> server;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { Shutdown(MonoNow()); }

Result<std::unique_ptr<Server>> Server::Open(const config::Socket& socket, Backend backend,
                                             Telemetry* telemetry) {
  // First: what listens accepts calls at once.
  const gid_t group = CRISP_TRY(GetSocketGroup(socket));
  // /run is empty after a reboot.
  const std::string directory = socket.path.substr(0, std::max<size_t>(socket.path.rfind('/'), 1));
  CRISP_RETURN_IF_ERROR(EnsureDirectory(directory).Wrap("socket.path"));
  CRISP_RETURN_IF_ERROR(EnsureSocketFree(socket.path));
  auto impl = std::make_unique<Impl>(std::move(backend), telemetry);
  grpc::ServerBuilder builder;
  int bound = 0;
  builder.AddListeningPort("unix:" + socket.path, grpc::InsecureServerCredentials(), &bound);
  builder.RegisterService(&impl->runtime);
  builder.RegisterService(&impl->image);
  builder.RegisterService(&impl->admin);
  builder.SetMaxReceiveMessageSize(kMaxMessage_bytes);
  // Nobody can ask crispd for channelz; without it gRPC keeps no traces of every connection.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0);
  // Keepalive pings of idle clients are not an attack on a local socket.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || bound == 0) {
    return Unavailable("socket.path ", socket.path, ": gRPC cannot listen there");
  }
  // Until here the umask of main() keeps others out.
  std::unique_ptr<Server> out(new Server(std::move(impl)));
  CRISP_RETURN_IF_ERROR(SetOwnership(socket, group));
  return out;
}

void Server::Shutdown(MonoTime grace) {
  if (impl_->server == nullptr) return;
  impl_->context.events.EndAll();
  impl_->context.open.CloseAndWait(grace);
  // What is left are quick calls and clients that keep their connection.
  impl_->server->Shutdown(std::chrono::system_clock::now() + kQuickCallsGrace);
  impl_->server.reset();
}

}  // namespace crisp::rpc
