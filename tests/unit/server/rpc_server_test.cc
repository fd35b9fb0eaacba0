// The gRPC server on a real socket, with fake rooms behind it.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "cri-api/api.grpc.pb.h"
#include "fakes.h"
#include "server/cli/admin.grpc.pb.h"
#include "server/metrics/prometheus_text.h"
#include "server/rpc/server.h"

namespace crisp::rpc {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class RpcServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string dir = JoinPath(::testing::TempDir(), "crisp-rpc-XXXXXX");
    ASSERT_NE(::mkdtemp(dir.data()), nullptr);
    dir_ = dir;
    socket_.path = JoinPath(dir_, "crisp.sock");
    auto server = Server::Open(socket_, rooms_.backend, &rooms_.telemetry);
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
    channel_ = grpc::CreateChannel("unix:" + socket_.path, grpc::InsecureChannelCredentials());
    runtime_ = v1::RuntimeService::NewStub(channel_);
    image_ = v1::ImageService::NewStub(channel_);
  }
  void TearDown() override {
    server_.reset();
    EXPECT_TRUE(RemoveTreeAt(dir_).ok());
  }

  FakeRooms rooms_;
  std::string dir_;
  config::Socket socket_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::RuntimeService::Stub> runtime_;
  std::unique_ptr<v1::ImageService::Stub> image_;
  grpc::ClientContext context_;
};

TEST_F(RpcServerTest, SocketHasItsMode) {
  struct stat info {};
  ASSERT_EQ(::stat(socket_.path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660u);
}

// As after a reboot, when its directory is below /run.
TEST_F(RpcServerTest, ASocketGetsItsDirectory) {
  config::Socket socket;
  socket.path = JoinPath(dir_, "new/dir/crisp.sock");
  const auto server = Server::Open(socket, rooms_.backend, &rooms_.telemetry);
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  struct stat info {};
  ASSERT_EQ(::stat(JoinPath(dir_, "new/dir").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
}

TEST_F(RpcServerTest, AnUnknownGroupIsFoundBeforeAnybodyCanCall) {
  config::Socket socket;
  socket.path = JoinPath(dir_, "new/crisp.sock");
  socket.group = "no-such-group";
  const auto server = Server::Open(socket, rooms_.backend, &rooms_.telemetry);
  EXPECT_EQ(server.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(server.status().message(), HasSubstr("no group 'no-such-group'"));
  EXPECT_FALSE(PathExists(JoinPath(dir_, "new"))) << "nothing was made";
}

TEST_F(RpcServerTest, SecondServerDoesNotStealTheSocket) {
  EXPECT_EQ(Server::Open(socket_, rooms_.backend, &rooms_.telemetry).status().code(),
            Code::kAlreadyExists);
  v1::VersionResponse version;
  EXPECT_TRUE(runtime_->Version(&context_, {}, &version).ok());
}

TEST_F(RpcServerTest, QuickCallsAndCounting) {
  v1::ListPodSandboxResponse list;
  ASSERT_TRUE(runtime_->ListPodSandbox(&context_, {}, &list).ok());
  EXPECT_EQ(list.items(0).id(), "pod");
  EXPECT_THAT(metrics::PrometheusText(rooms_.telemetry),
              HasSubstr("crisp_rpc_total{method=\"ListPodSandbox\",code=\"OK\"} 1\n"));
}

TEST_F(RpcServerTest, ErrorsAreMappedAndValidUtf8) {
  v1::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id("x");
  v1::PodSandboxStatusResponse response;
  const grpc::Status status = runtime_->PodSandboxStatus(&context_, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "sandbox x\xEF\xBF\xBD");
}

TEST_F(RpcServerTest, LaterRpcsSayThatTheyAreNotServed) {
  v1::CheckpointContainerResponse response;
  const grpc::Status unary = runtime_->CheckpointContainer(&context_, {}, &response);
  EXPECT_EQ(unary.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(unary.error_message(), HasSubstr("CheckpointContainer: crisp"));
  grpc::ClientContext context;
  auto reader = runtime_->StreamContainers(&context, {});
  v1::StreamContainersResponse part;
  EXPECT_FALSE(reader->Read(&part));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(RpcServerTest, EventsArriveInOrderUntilTheClientLeaves) {
  rooms_.pods.events.Push("1");
  grpc::ClientContext context;
  auto reader = runtime_->GetContainerEvents(&context, {});
  v1::ContainerEventResponse event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.container_id(), "1");
  for (int i = 2; i < 50; ++i) rooms_.pods.events.Push(std::to_string(i));
  for (int i = 2; i < 50; ++i) {
    ASSERT_TRUE(reader->Read(&event));
    EXPECT_EQ(event.container_id(), std::to_string(i));
  }
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(RpcServerTest, EventStreamsEndWhenTheServerStops) {
  rooms_.pods.events.Push("1");
  grpc::ClientContext context;
  auto waiting = runtime_->GetContainerEvents(&context, {});
  v1::ContainerEventResponse event;
  ASSERT_TRUE(waiting->Read(&event));
  server_->Shutdown(MonoNow() + std::chrono::seconds(30));
  EXPECT_FALSE(waiting->Read(&event));
  EXPECT_EQ(waiting->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(RpcServerTest, DeadlineReachesTheRoom) {
  v1::VersionResponse version;  // so that the deadline is not spent on the connection
  grpc::ClientContext first;
  ASSERT_TRUE(runtime_->Version(&first, {}, &version).ok());
  v1::StopContainerResponse response;
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  EXPECT_EQ(runtime_->StopContainer(&context_, {}, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  // The server counts from the request's arrival, so the client's word of giving up may be first.
  EXPECT_THAT(rooms_.pods.cancelled.get_future().get(),
              AnyOf(Code::kDeadlineExceeded, Code::kCancelled));
  EXPECT_LT(rooms_.pods.entered.get_future().get(), MonoNow() + std::chrono::seconds(1));
}

TEST_F(RpcServerTest, CancelReachesTheRoom) {
  grpc::ClientContext context;
  std::thread canceller([&] {
    rooms_.pods.entered.get_future().wait();
    context.TryCancel();
  });
  v1::StopContainerResponse response;
  EXPECT_EQ(runtime_->StopContainer(&context, {}, &response).error_code(),
            grpc::StatusCode::CANCELLED);
  canceller.join();
  EXPECT_EQ(rooms_.pods.cancelled.get_future().get(), Code::kCancelled);
}

TEST_F(RpcServerTest, LargeRequestsAreAccepted) {
  v1::CreateContainerRequest request;
  request.mutable_config()->add_args(std::string(15 << 20, 'x'));
  v1::CreateContainerResponse response;
  EXPECT_TRUE(runtime_->CreateContainer(&context_, request, &response).ok());
}

TEST_F(RpcServerTest, ShutdownEndsRunningCalls) {
  grpc::Status status;
  std::thread caller([&] {
    v1::StopContainerResponse response;
    status = runtime_->StopContainer(&context_, {}, &response);
  });
  rooms_.pods.entered.get_future().wait();
  server_->Shutdown(MonoNow() + std::chrono::milliseconds(50));
  caller.join();
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(PathExists(socket_.path));
  rooms_.pods.cancelled.get_future().wait();
}

TEST_F(RpcServerTest, AnIdleClientDoesNotHoldUpTheShutdown) {
  v1::VersionResponse version;
  ASSERT_TRUE(runtime_->Version(&context_, {}, &version).ok());
  const MonoTime start = MonoNow();
  server_->Shutdown(start + std::chrono::seconds(30));
  EXPECT_LT(MonoNow() - start, std::chrono::seconds(1));
}

TEST_F(RpcServerTest, AShutdownLetsRunningCallsEndAndRefusesNewOnes) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  grpc::Status status;
  std::thread caller([&] {
    v1::StopContainerResponse response;
    status = runtime_->StopContainer(&context_, {}, &response);
  });
  rooms_.pods.entered.get_future().wait();
  const MonoTime start = MonoNow();
  std::thread stopper([&] { server_->Shutdown(start + std::chrono::seconds(30)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  grpc::ClientContext late;
  v1::CreateContainerResponse created;
  EXPECT_EQ(runtime_->CreateContainer(&late, {}, &created).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  stopper.join();
  EXPECT_LT(MonoNow() - start, std::chrono::seconds(5));
  caller.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << "it had its time";
}

TEST_F(RpcServerTest, PullAndImportGoThroughTheLane) {
  v1::PullImageRequest pull;
  pull.mutable_image()->set_image("r/x:1");
  v1::PullImageResponse pulled;
  ASSERT_TRUE(image_->PullImage(&context_, pull, &pulled).ok());
  EXPECT_EQ(pulled.image_ref(), "sha256:pulled");
  auto admin_stub = admin::Admin::NewStub(channel_);
  grpc::ClientContext context;
  admin::ImportImageRequest request;
  request.set_path("/x");
  admin::ImportImageResponse response;
  ASSERT_TRUE(admin_stub->ImportImage(&context, request, &response).ok());
  EXPECT_EQ(response.image_ids(0), "/x");
}

}  // namespace
}  // namespace crisp::rpc
