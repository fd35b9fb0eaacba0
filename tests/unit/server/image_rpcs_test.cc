#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.h"

namespace crisp::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ImageRpcsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b"}) {
      auto image = std::make_shared<image::Image>();
      image->id = Cat("sha256:", name);
      image->repo_tags = {Cat("docker.io/library/", name, ":latest")};
      rooms_.images.images.push_back(image);
    }
  }
  Result<v1::PullImageResponse> Pull(const v1::PullImageRequest& request, CancelToken cancel = {}) {
    return Wait<v1::PullImageResponse>([&](Done<v1::PullImageResponse> done) {
      StartPullImage(rooms_.backend, request, cancel, std::move(done));
    });
  }
  static v1::PullImageRequest PullRequest(const std::string& image) {
    v1::PullImageRequest request;
    request.mutable_image()->set_image(image);
    return request;
  }
  FakeRooms rooms_;
};

TEST_F(ImageRpcsTest, ListAllOneOrNone) {
  v1::ListImagesRequest request;
  v1::ListImagesResponse all;
  ASSERT_TRUE(AnswerListImages(rooms_.backend, request, &all).ok());
  EXPECT_EQ(all.images_size(), 2);
  request.mutable_filter()->mutable_image()->set_image("sha256:b");
  v1::ListImagesResponse one;
  ASSERT_TRUE(AnswerListImages(rooms_.backend, request, &one).ok());
  ASSERT_EQ(one.images_size(), 1);
  EXPECT_EQ(one.images(0).id(), "sha256:b");
  request.mutable_filter()->mutable_image()->set_image("other");
  v1::ListImagesResponse none;
  ASSERT_TRUE(AnswerListImages(rooms_.backend, request, &none).ok());
  EXPECT_EQ(none.images_size(), 0);
  rooms_.images.find_error = InvalidArgument("malformed");
  EXPECT_TRUE(AnswerListImages(rooms_.backend, request, &none).ok());
  EXPECT_EQ(none.images_size(), 0);
}

TEST_F(ImageRpcsTest, StatusOfMissingImageIsOkAndUnset) {
  v1::ImageStatusRequest request;
  v1::ImageStatusResponse response;
  request.mutable_image()->set_image("other");
  ASSERT_TRUE(AnswerImageStatus(rooms_.backend, request, &response).ok());
  EXPECT_FALSE(response.has_image());
  EXPECT_EQ(AnswerImageStatus(rooms_.backend, {}, &response).code(), Code::kInvalidArgument);
}

TEST_F(ImageRpcsTest, StatusByIdAndTagIsTheSameMessage) {
  v1::ImageStatusRequest request;
  request.set_verbose(true);
  v1::ImageStatusResponse by_id;
  v1::ImageStatusResponse by_tag;
  request.mutable_image()->set_image("sha256:a");
  ASSERT_TRUE(AnswerImageStatus(rooms_.backend, request, &by_id).ok());
  request.mutable_image()->set_image("docker.io/library/a:latest");
  ASSERT_TRUE(AnswerImageStatus(rooms_.backend, request, &by_tag).ok());
  ASSERT_TRUE(by_id.has_image());
  EXPECT_EQ(by_id.image().SerializeAsString(), by_tag.image().SerializeAsString());
  EXPECT_THAT(by_id.info().at("info"), StartsWith("{"));
}

TEST_F(ImageRpcsTest, FsInfo) {
  v1::ImageFsInfoResponse response;
  ASSERT_TRUE(AnswerImageFsInfo(rooms_.backend, &response).ok());
  ASSERT_EQ(response.image_filesystems_size(), 1);
  const v1::FilesystemUsage& usage = response.image_filesystems(0);
  EXPECT_EQ(usage.fs_id().mountpoint(), "/store");
  EXPECT_EQ(usage.used_bytes().value(), 5u);
  EXPECT_EQ(usage.inodes_used().value(), 6u);
  EXPECT_EQ(usage.timestamp(), 7);
}

TEST_F(ImageRpcsTest, PullPassesReferenceAndCredentials) {
  v1::PullImageRequest request = PullRequest("r/x:1");
  request.mutable_auth()->set_username("u");
  const auto response = Pull(request);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->image_ref(), "sha256:pulled");
  EXPECT_EQ(rooms_.images.pulled.reference, "r/x:1");
  EXPECT_EQ(rooms_.images.pulled.auth.username, "u");
}

TEST_F(ImageRpcsTest, PullErrorsAreTheKubeletsWords) {
  rooms_.images.pull_error = Unavailable("connect r: refused");
  const auto down = Pull(PullRequest("r/x:1"));
  EXPECT_EQ(down.status().code(), Code::kUnknown);
  EXPECT_EQ(down.status().message(), "RegistryUnavailable: connect r: refused");
  rooms_.images.pull_error = Status(Code::kDeadlineExceeded, "nothing came for 60 s", ETIMEDOUT);
  const auto silent = Pull(PullRequest("r/x:1"));
  EXPECT_EQ(silent.status().code(), Code::kUnknown);
  EXPECT_EQ(silent.status().message(), "RegistryUnavailable: nothing came for 60 s");
  rooms_.images.pull_error = DeadlineExceeded("the client's");
  EXPECT_EQ(Pull(PullRequest("r/x:1")).status().code(), Code::kDeadlineExceeded);
  rooms_.images.pull_error = Status(Code::kPermissionDenied, "policy: no", EKEYREJECTED);
  const auto unsigned_image = Pull(PullRequest("r/x:1"));
  EXPECT_EQ(unsigned_image.status().code(), Code::kUnknown);
  EXPECT_EQ(unsigned_image.status().message(), "SignatureValidationFailed: policy: no");
  rooms_.images.pull_error = Status(Code::kPermissionDenied, "HTTP 403");
  EXPECT_EQ(Pull(PullRequest("r/x:1")).status().code(), Code::kPermissionDenied);
  rooms_.images.pull_error = NotFound("manifest");
  EXPECT_EQ(Pull(PullRequest("r/x:1")).status().code(), Code::kNotFound);
  EXPECT_EQ(Pull(PullRequest("")).status().code(), Code::kInvalidArgument);
  v1::PullImageRequest handler = PullRequest("r/x:1");
  handler.mutable_image()->set_runtime_handler("kata");
  EXPECT_THAT(Pull(handler).status().message(), HasSubstr("allowed: crun, runc"));
  handler.mutable_image()->set_runtime_handler("runc");
  rooms_.images.pull_error = OkStatus();
  EXPECT_TRUE(Pull(handler).ok());
}

TEST_F(ImageRpcsTest, CancelledPullIsNotBegun) {
  CancelSource source;
  source.Cancel();
  EXPECT_EQ(Pull(PullRequest("r/x:1"), source.token()).status().code(), Code::kCancelled);
  const CancelSource late(MonoNow());
  EXPECT_EQ(Pull(PullRequest("r/x:1"), late.token()).status().code(), Code::kDeadlineExceeded);
  EXPECT_EQ(rooms_.images.pulled.reference, "");
}

TEST_F(ImageRpcsTest, FullLaneRefuses) {
  rooms_.pull_lane.Shutdown();
  EXPECT_EQ(Pull(PullRequest("r/x:1")).status().code(), Code::kUnavailable);
}

TEST_F(ImageRpcsTest, RemoveAndImport) {
  v1::RemoveImageRequest remove;
  remove.mutable_image()->set_image("a");
  const auto removed = Wait<v1::RemoveImageResponse>([&](Done<v1::RemoveImageResponse> done) {
    StartRemoveImage(rooms_.backend, remove, {}, std::move(done));
  });
  EXPECT_TRUE(removed.ok());
  EXPECT_THAT(rooms_.images.removed, ElementsAre("a"));

  admin::ImportImageRequest import;
  CancelSource client;
  const auto start = [&](Done<admin::ImportImageResponse> done) {
    StartImportImage(rooms_.backend, import, client.token(), std::move(done));
  };
  import.set_path("relative.tar");
  EXPECT_EQ(Wait<admin::ImportImageResponse>(start).status().code(), Code::kInvalidArgument);
  import.set_path("/x.tar");
  import.set_name("n:1");
  const auto imported = Wait<admin::ImportImageResponse>(start);
  ASSERT_TRUE(imported.ok());
  EXPECT_THAT(imported->image_ids(), ElementsAre("/x.tar", "n:1"));
  EXPECT_FALSE(rooms_.images.import_cancel.cancelled());
  client.Cancel();
  EXPECT_TRUE(rooms_.images.import_cancel.cancelled());
}

TEST_F(ImageRpcsTest, PullsUnderWay) {
  rooms_.images.pulls = {{"x", "r/x:1", 5, 9, 2, 100, 40}};
  admin::ListPullsResponse response;
  ASSERT_TRUE(AnswerListPulls(rooms_.backend, &response).ok());
  ASSERT_EQ(response.pulls_size(), 1);
  EXPECT_EQ(response.pulls(0).requested(), "x");
  EXPECT_EQ(response.pulls(0).reference(), "r/x:1");
  EXPECT_EQ(response.pulls(0).layers_total(), 9u);
  EXPECT_EQ(response.pulls(0).layers_ready(), 2u);
  EXPECT_EQ(response.pulls(0).bytes_total(), 100);
  EXPECT_EQ(response.pulls(0).bytes_received(), 40);
}

TEST_F(ImageRpcsTest, CheckAndCollect) {
  image::DamagedLayer damaged;
  damaged.diff_id = "sha256:d";
  damaged.images = {"r/x:1"};
  damaged.differences = {"f: missing"};
  damaged.difference_count = 7;
  rooms_.images.check_report.damaged = {damaged};
  admin::CheckImagesRequest check;
  check.set_repair(true);
  const auto report = Wait<admin::CheckImagesResponse>([&](Done<admin::CheckImagesResponse> done) {
    StartCheckImages(rooms_.backend, check, {}, std::move(done));
  });
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->layers_checked(), 2u);
  ASSERT_EQ(report->damaged_size(), 1);
  EXPECT_THAT(report->damaged(0).differences(), ElementsAre("f: missing"));
  EXPECT_EQ(report->damaged(0).difference_count(), 7u);
  const auto collected =
      Wait<admin::CollectImagesResponse>([&](Done<admin::CollectImagesResponse> done) {
        StartCollectImages(rooms_.backend, {}, {}, std::move(done));
      });
  ASSERT_TRUE(collected.ok());
  EXPECT_EQ(collected->layers(), 3u);
  EXPECT_EQ(collected->bytes(), 4u);
}

TEST_F(ImageRpcsTest, PullCarriesTheNamespace) {
  v1::PullImageRequest request = PullRequest("r/x:1");
  request.mutable_sandbox_config()->mutable_metadata()->set_namespace_("team");
  ASSERT_TRUE(Pull(request).ok());
  EXPECT_EQ(rooms_.images.pulled.pod_namespace, "team");
}

}  // namespace
}  // namespace crisp::rpc
