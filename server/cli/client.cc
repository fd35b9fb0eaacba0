#include "server/cli/client.h"

#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>

#include "base/core/unique_fd.h"
#include "cri-api/api.grpc.pb.h"
#include "server/cli/admin.grpc.pb.h"

namespace crisp::cli {
namespace {

constexpr auto kPodTimeout = std::chrono::minutes(2);

std::shared_ptr<grpc::Channel> Connect(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  // A daemon that is restarted is back within a second.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // Also the limit of one attempt: on a busy machine the daemon may be slow to greet.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // The address has no host name, and servers look at the authority no closer than this.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

struct Client::Impl {
  explicit Impl(std::string path)
      : socket(std::move(path)),
        channel(Connect(socket)),
        runtime(v1::RuntimeService::NewStub(channel)),
        image(v1::ImageService::NewStub(channel)),
        admin(admin::Admin::NewStub(channel)) {}

  // `start` begins an asynchronous call: start(context, request, response, on_done).
  template <typename Response, typename Request, typename Start>
  Result<Response> Call(const Request& request, const CallOptions& options, Start start) {
    grpc::ClientContext context;
    if (options.timeout > Duration::zero()) {
      context.set_deadline(std::chrono::system_clock::now() +
                           std::chrono::duration_cast<std::chrono::microseconds>(options.timeout));
    }
    const UniqueFd ended(::eventfd(0, EFD_CLOEXEC));
    if (!ended) return Errno("eventfd");
    Response response;
    grpc::Status status;
    start(&context, &request, &response, [&](grpc::Status s) {
      status = std::move(s);
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t n = ::write(ended.get(), &one, sizeof(one));
    });
    std::array<pollfd, 2> waits = {{{ended.get(), POLLIN, 0}, {options.interrupt_fd, POLLIN, 0}}};
    while (waits[0].revents == 0) {
      ::poll(waits.data(), waits.size(), -1);
      if (waits[1].revents == 0) continue;
      context.TryCancel();  // on_done comes, and must, before this function ends
      waits[1].fd = -1;
    }
    if (status.ok()) return response;
    return ToStatus(status);
  }

  Status ToStatus(const grpc::Status& status) const {
    // The status of a channel that has no connection; a server that is there says more.
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
        channel->GetState(false) != GRPC_CHANNEL_READY) {
      return Unavailable("nobody serves ", socket, " (", status.error_message(),
                         "); is crispd running? --socket or $CRISP_SOCKET name another socket");
    }
    return Status(static_cast<Code>(status.error_code()), status.error_message());
  }

  std::string socket;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::RuntimeService::Stub> runtime;
  std::unique_ptr<v1::ImageService::Stub> image;
  std::unique_ptr<admin::Admin::Stub> admin;
};

// Begins Rpc on one of the stubs.
#define CRISP_START(stub, Rpc)                                        \
  [this](grpc::ClientContext* call, const auto* sent, auto* received, \
         std::function<void(grpc::Status)> done) {                    \
    impl_->stub->async()->Rpc(call, sent, received, std::move(done)); \
  }

Client::Client(const std::string& socket) : impl_(std::make_unique<Impl>(socket)) {}
Client::~Client() = default;

Result<v1::VersionResponse> Client::Version() {
  return impl_->Call<v1::VersionResponse>(v1::VersionRequest(), {}, CRISP_START(runtime, Version));
}

Result<v1::StatusResponse> Client::GetStatus(bool verbose) {
  v1::StatusRequest request;
  request.set_verbose(verbose);
  return impl_->Call<v1::StatusResponse>(request, {}, CRISP_START(runtime, Status));
}

Result<v1::ListImagesResponse> Client::ListImages() {
  return impl_->Call<v1::ListImagesResponse>(v1::ListImagesRequest(), {},
                                             CRISP_START(image, ListImages));
}

Result<v1::ImageStatusResponse> Client::ImageStatus(const std::string& image, bool verbose) {
  v1::ImageStatusRequest request;
  request.set_verbose(verbose);
  request.mutable_image()->set_image(image);
  return impl_->Call<v1::ImageStatusResponse>(request, {}, CRISP_START(image, ImageStatus));
}

Status Client::RemoveImage(const std::string& image) {
  v1::RemoveImageRequest request;
  request.mutable_image()->set_image(image);
  return impl_
      ->Call<v1::RemoveImageResponse>(request, {.timeout = kPodTimeout},
                                      CRISP_START(image, RemoveImage))
      .status();
}

Status Client::ExportImage(const std::string& image, const std::string& path,
                           const CallOptions& options) {
  admin::ExportImageRequest request;
  request.set_image(image);
  request.set_path(path);
  return impl_->Call<admin::ExportImageResponse>(request, options, CRISP_START(admin, ExportImage))
      .status();
}

Result<admin::ListPullsResponse> Client::ListPulls() {
  return impl_->Call<admin::ListPullsResponse>(admin::ListPullsRequest(), {},
                                               CRISP_START(admin, ListPulls));
}

Result<admin::CheckImagesResponse> Client::CheckImages(bool repair, const CallOptions& options) {
  admin::CheckImagesRequest request;
  request.set_repair(repair);
  return impl_->Call<admin::CheckImagesResponse>(request, options, CRISP_START(admin, CheckImages));
}

Result<admin::CollectImagesResponse> Client::CollectImages(const CallOptions& options) {
  return impl_->Call<admin::CollectImagesResponse>(admin::CollectImagesRequest(), options,
                                                   CRISP_START(admin, CollectImages));
}

Result<v1::PullImageResponse> Client::PullImage(const v1::PullImageRequest& request,
                                                const CallOptions& options) {
  return impl_->Call<v1::PullImageResponse>(request, options, CRISP_START(image, PullImage));
}

Result<admin::ImportImageResponse> Client::ImportImage(const std::string& path,
                                                       const std::string& name,
                                                       const CallOptions& options) {
  admin::ImportImageRequest request;
  request.set_path(path);
  request.set_name(name);
  return impl_->Call<admin::ImportImageResponse>(request, options, CRISP_START(admin, ImportImage));
}

Result<std::string> Client::RunPodSandbox(const v1::RunPodSandboxRequest& request,
                                          const CallOptions& options) {
  return CRISP_TRY(impl_->Call<v1::RunPodSandboxResponse>(request, options,
                                                          CRISP_START(runtime, RunPodSandbox)))
      .pod_sandbox_id();
}

Result<std::string> Client::CreateContainer(const v1::CreateContainerRequest& request,
                                            const CallOptions& options) {
  return CRISP_TRY(impl_->Call<v1::CreateContainerResponse>(request, options,
                                                            CRISP_START(runtime, CreateContainer)))
      .container_id();
}

Status Client::StartContainer(const std::string& id, const CallOptions& options) {
  v1::StartContainerRequest request;
  request.set_container_id(id);
  return impl_
      ->Call<v1::StartContainerResponse>(request, options, CRISP_START(runtime, StartContainer))
      .status();
}

Status Client::StopContainer(const std::string& id, int64_t grace_seconds,
                             const CallOptions& options) {
  v1::StopContainerRequest request;
  request.set_container_id(id);
  request.set_timeout(grace_seconds);
  return impl_
      ->Call<v1::StopContainerResponse>(request, options, CRISP_START(runtime, StopContainer))
      .status();
}

Result<v1::ContainerStatus> Client::ContainerStatus(const std::string& id) {
  v1::ContainerStatusRequest request;
  request.set_container_id(id);
  return CRISP_TRY(impl_->Call<v1::ContainerStatusResponse>(request, {},
                                                            CRISP_START(runtime, ContainerStatus)))
      .status();
}

Status Client::StopPodSandbox(const std::string& id) {
  v1::StopPodSandboxRequest request;
  request.set_pod_sandbox_id(id);
  return impl_
      ->Call<v1::StopPodSandboxResponse>(request, {.timeout = kPodTimeout},
                                         CRISP_START(runtime, StopPodSandbox))
      .status();
}

Status Client::RemovePodSandbox(const std::string& id) {
  v1::RemovePodSandboxRequest request;
  request.set_pod_sandbox_id(id);
  return impl_
      ->Call<v1::RemovePodSandboxResponse>(request, {.timeout = kPodTimeout},
                                           CRISP_START(runtime, RemovePodSandbox))
      .status();
}

}  // namespace crisp::cli
