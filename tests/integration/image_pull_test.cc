// One image through PullImage from a real registry server, to a running container. Corruption,
// cancellation and the rest of pulling: tests/integration/image.
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class ImagePullTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (FindProgram("docker-registry").empty() || FindProgram("skopeo").empty()) {
      GTEST_SKIP() << "needs docker-registry and skopeo";
    }
    LayoutOptions layout;
    layout.name = "docker.io/test/tool:1";
    layout.config = R"({"Entrypoint":["echo","from"],"Cmd":["image"],"Env":["PATH=/bin","A=b"],)"
                    R"("WorkingDir":"/home","StopSignal":"SIGQUIT"})";
    image_id_ = Must(MakeLayout(daemon().Path("images/tool"), layout));
    registry_ = Must(StartRegistry(daemon().Path("registry"), 5000));
    ASSERT_THAT(PushLayout(daemon().Path("images/tool"), layout.name, kReference), IsOk());
  }
  void TearDown() override {
    registry_ = ChildProcess();
    PodTest::TearDown();
  }

  static constexpr char kReference[] = "127.0.0.1:5000/test/tool:1";
  std::string image_id_;
  ChildProcess registry_;
};

TEST_P(ImagePullTest, PullRunRemove) {
  v1::PullImageRequest pull;
  pull.mutable_image()->set_image(kReference);
  EXPECT_EQ(Must(client().Call(pull)).image_ref(), image_id_);
  EXPECT_EQ(Must(client().Call(pull)).image_ref(), image_id_) << "again";
  v1::ImageStatusRequest status;
  status.mutable_image()->set_image(kReference);
  const auto image = Must(client().Call(status)).image();
  EXPECT_EQ(image.id(), image_id_);
  EXPECT_THAT(image.repo_tags(), ElementsAre(kReference));
  ASSERT_EQ(image.repo_digests_size(), 1);
  EXPECT_THAT(image.repo_digests(0), StartsWith("127.0.0.1:5000/test/tool@sha256:"));
  EXPECT_GT(image.size(), 0u);

  const auto sandbox = SandboxConfig("pod");
  auto config = ContainerConfig("c", {});
  config.mutable_image()->set_image(image_id_);
  const std::string pod = RunPod(sandbox);
  const std::string id = StartContainer(pod, config, sandbox);
  const auto ended = AwaitExit(id);
  EXPECT_EQ(ended.exit_code(), 0);
  EXPECT_EQ(ended.image_id(), image_id_);
  EXPECT_EQ(ended.image().image(), kReference);
  EXPECT_EQ(ended.image_ref(), image.repo_digests(0));
  EXPECT_EQ(ended.stop_signal(), v1::SIGNAL_SIGQUIT);
  EXPECT_EQ(LogText(LogPath(sandbox, config)), "from image\n");

  v1::RemoveImageRequest remove;
  remove.mutable_image()->set_image(kReference);
  EXPECT_THAT(client().Call(remove), IsOk());
  EXPECT_THAT(client().Call(remove), IsOk());
  EXPECT_FALSE(Must(client().Call(status)).has_image());
}

TEST_P(ImagePullTest, ByDigestAndMissing) {
  v1::PullImageRequest pull;
  pull.mutable_image()->set_image(kReference);
  ASSERT_THAT(client().Call(pull), IsOk());
  v1::ImageStatusRequest status;
  status.mutable_image()->set_image(image_id_);
  const std::string by_digest = Must(client().Call(status)).image().repo_digests(0);
  v1::RemoveImageRequest remove;
  remove.mutable_image()->set_image(image_id_);
  ASSERT_THAT(client().Call(remove), IsOk());

  pull.mutable_image()->set_image(by_digest);
  EXPECT_EQ(Must(client().Call(pull)).image_ref(), image_id_);
  const auto image = Must(client().Call(status)).image();
  EXPECT_EQ(image.repo_tags_size(), 0);
  EXPECT_THAT(image.repo_digests(), ElementsAre(by_digest));

  pull.mutable_image()->set_image("127.0.0.1:5000/test/tool:nine");
  const auto missing = client().Call(pull);
  EXPECT_THAT(missing, HasCode(Code::kNotFound));
  EXPECT_THAT(missing.status().message(), HasSubstr("test/tool"));
  EXPECT_THAT(client().Call(pull, std::chrono::milliseconds(1)), HasCode(Code::kDeadlineExceeded));
}

CRISP_FOR_EACH_RUNTIME(ImagePullTest);

}  // namespace
}  // namespace crisp::test
