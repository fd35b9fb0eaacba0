#include "tests/support/cri_client.h"

#include <grpcpp/grpcpp.h>

#include "cri-api/api.grpc.pb.h"

namespace crisp::test {
namespace {

Status FromGrpc(const grpc::Status& status) {
  return Status(static_cast<Code>(status.error_code()), status.error_message());
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& socket_path) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(16 << 20);
  // A restarted daemon is found at once; the default backoff is a second and more.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 10);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);  // also limits one attempt
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  // Two clients never share a connection: a load tool wants several.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix://" + socket_path, grpc::InsecureChannelCredentials(),
                                   arguments);
}

class GrpcEventStream final : public EventStream {
 public:
  GrpcEventStream(v1::RuntimeService::Stub* stub, Duration limit) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::duration_cast<std::chrono::microseconds>(limit));
    reader_ = stub->GetContainerEvents(&context_, {});
  }
  ~GrpcEventStream() override {
    if (ended_) return;
    context_.TryCancel();
    (void)reader_->Finish();
  }
  Result<v1::ContainerEventResponse> Next() override {
    v1::ContainerEventResponse event;
    if (ended_) return Unavailable("GetContainerEvents has ended");
    if (reader_->Read(&event)) return event;
    ended_ = true;
    return FromGrpc(reader_->Finish()).Wrap("GetContainerEvents");
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::ContainerEventResponse>> reader_;
  bool ended_ = false;
};

}  // namespace

struct CriClient::Stubs {
  explicit Stubs(std::shared_ptr<grpc::Channel> to)
      : channel(std::move(to)),
        RuntimeService(v1::RuntimeService::NewStub(channel)),
        ImageService(v1::ImageService::NewStub(channel)) {}
  std::shared_ptr<grpc::Channel> channel;
  // Named like the services, for the macro below.
  std::unique_ptr<v1::RuntimeService::Stub> RuntimeService;
  std::unique_ptr<v1::ImageService::Stub> ImageService;
};

CriClient::CriClient(const std::string& socket_path)
    : stubs_(std::make_unique<Stubs>(MakeChannel(socket_path))) {}

CriClient::~CriClient() = default;

bool CriClient::AwaitConnection(Duration limit) {
  return stubs_->channel->WaitForConnected(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::microseconds>(limit));
}

std::unique_ptr<EventStream> CriClient::OpenEvents(Duration limit) {
  return std::make_unique<GrpcEventStream>(stubs_->RuntimeService.get(), limit);
}

#define CRISP_TEST_DEFINE_CALL(service, rpc)                                                     \
  Result<v1::rpc##Response> CriClient::Call(const v1::rpc##Request& request, Duration timeout) { \
    grpc::ClientContext context;                                                                 \
    context.set_deadline(std::chrono::system_clock::now() +                                      \
                         std::chrono::duration_cast<std::chrono::microseconds>(timeout));        \
    v1::rpc##Response response;                                                                  \
    const grpc::Status status = stubs_->service->rpc(&context, request, &response);              \
    if (!status.ok()) return FromGrpc(status).Wrap(#rpc);                                        \
    return response;                                                                             \
  }
CRISP_TEST_UNARY_RPCS(CRISP_TEST_DEFINE_CALL)
#undef CRISP_TEST_DEFINE_CALL

}  // namespace crisp::test
