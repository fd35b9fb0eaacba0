// Images whose files point at the node: what crispd reads in them for a container stays in them.
// How layers are unpacked: tests/integration/image, tests/unit/image.
#include "base/core/file.h"
#include "image_fixture.h"
#include "tests/support/pod_test.h"

namespace crisp::test {
namespace {

using image::FakeRegistry;
using image::TarBuilder;
using testing::HasSubstr;

class HostileImageTest : public PodTest {
 protected:
  void TearDown() override {
    if (!IsSkipped() && !HasFatalFailure()) {
      RemoveAllPods();
      for (const std::string& id : pulled_) {
        v1::RemoveImageRequest remove;
        remove.mutable_image()->set_image(id);
        EXPECT_THAT(client().Call(remove), IsOk());
      }
    }
    PodTest::TearDown();
  }
  // The image id.
  std::string Pull(const std::string& archive, const image::Json& config) {
    const image::MadeImage made = image::MakeImage({image::GzipLayer(archive)}, config);
    registry_.AddBlob(made.config);
    registry_.AddBlob(made.layers[0].blob);
    const std::string tag = Cat("v", pulled_.size());
    registry_.AddManifest(tag, made.manifest, image::kManifestType);
    v1::PullImageRequest pull;
    pull.mutable_image()->set_image(Cat(registry_.host(), "/hostile:", tag));
    pulled_.push_back(Must(client().Call(pull)).image_ref());
    return pulled_.back();
  }

  FakeRegistry registry_;
  std::vector<std::string> pulled_;
};

// To crispd, /proc/self/root and /proc/1/root would be the node's files.
TEST_P(HostileImageTest, UsersAreTheImagesOwn) {
  const std::string accounts = daemon().Path("accounts");
  ASSERT_THAT(WriteFile(accounts, "outsider:x:4242:4242::/:/bin/sh\n"), IsOk());
  const auto sandbox = SandboxConfig("pod");
  const std::string pod = RunPod(sandbox);
  for (const std::string& target :
       {accounts, "../../../../../../../.." + accounts, "/proc/self/root" + accounts,
        "/proc/1/root" + accounts, std::string("/proc/1/environ")}) {
    SCOPED_TRACE(target);
    const std::string archive =
        TarBuilder().Dir("etc").Symlink("etc/passwd", target).Symlink("etc/group", target).Build();
    auto config = ContainerConfig("c", {"top"});
    config.mutable_image()->set_image(Pull(archive, image::Json::object()));
    auto* security = config.mutable_linux()->mutable_security_context();
    security->set_run_as_username("outsider");
    const Status asked = TryCreate(pod, config, sandbox).status();
    EXPECT_THAT(asked, HasCode(Code::kNotFound));
    EXPECT_THAT(asked.message(), HasSubstr("no user 'outsider' in the image's /etc/passwd"));

    security->clear_run_as_username();
    config.mutable_image()->set_image(Pull(archive, image::Json{{"User", "outsider"}}));
    const Status own = TryCreate(pod, config, sandbox).status();
    EXPECT_THAT(own, HasCode(Code::kNotFound));
    EXPECT_THAT(own.message(), HasSubstr("user 'outsider' of the image's config is not in"));
  }
}

CRISP_FOR_EACH_RUNTIME(HostileImageTest);

}  // namespace
}  // namespace crisp::test
