// BlobTransfer against registries that are slow and fast, without crisp-pull around it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <thread>

#include "image/pull/registry.h"
#include "slow_streams.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

class TransferTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    HttpClient::GlobalInit();
    registry_.AddBlob(content_);
    blob_.digest = *Digest::Parse(Sha256(content_));
    blob_.size_bytes = static_cast<int64_t>(content_.size());
  }
  Status Transfer(const ByteSink& sink) {
    PullerRequest request;
    PullerEndpoint endpoint;
    endpoint.url = "http://" + registry_.host();
    endpoint.repository = "app";
    request.endpoints = {endpoint};
    Registry registry(request, *Reference::Parse(registry_.host() + "/app:v1"));
    BlobSources sources;
    return registry.StreamBlob(blob_, &sources, sink, stop_);
  }
  std::string content_ = RandomBytes(kContentBytes, 1);
  Descriptor blob_;
  StopFlag stop_;
  FakeRegistry registry_;
};

// As fast as the loopback is against a receiver that is not.
TEST_F(TransferTest, AFastRegistryHasOneStream) {
  int64_t received = 0;
  const Status status = Transfer([&](Bytes bytes) {
    // 25 MiB/s.
    std::this_thread::sleep_for(std::chrono::microseconds(bytes.size() / 26));
    received += static_cast<int64_t>(bytes.size());
    return OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(received, blob_.size_bytes);
  EXPECT_EQ(registry_.requests().size(), 1u);
  EXPECT_EQ(registry_.requests()[0].Header("range"), "");
}

TEST_F(TransferTest, TheSinksFailureEndsPieces) {
  registry_.SetHook(SlowStreams({content_}));
  int64_t received = 0;
  const Status status = Transfer([&](Bytes bytes) -> Status {
    received += static_cast<int64_t>(bytes.size());
    return received > 20 << 20 ? ResourceExhausted("the disk is full") : OkStatus();
  });
  EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.message();
  const auto requests = registry_.requests();
  EXPECT_GT(requests.size(), 1u);
  EXPECT_TRUE(std::all_of(requests.begin() + 1, requests.end(), IsPiece));
}

TEST_F(TransferTest, StopEndsPieces) {
  std::atomic<int> pieces{0};
  MonoTime stopped{};
  registry_.SetHook(SlowStreams({content_}, [&](const FakeRequest&) -> std::optional<FakeResponse> {
    if (++pieces == 4) {
      stopped = MonoNow();
      stop_.Set();
    }
    FakeResponse out;
    out.claimed_length = 1 << 20;
    out.write_body = [this](int) {
      while (!registry_.stopping()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    };
    return out;
  }));
  EXPECT_EQ(Transfer([](Bytes) { return OkStatus(); }).code(), Code::kCancelled);
  EXPECT_LT(MonoNow() - stopped, std::chrono::seconds(10)) << "a stall is 60 s";
}

}  // namespace
}  // namespace crisp::image
