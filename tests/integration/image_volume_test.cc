// Images and OCI artifacts as volumes (cri-contract 8.2, 12.5).
#include <filesystem>

#include "base/core/file.h"
#include "image_fixture.h"
#include "tests/support/pod_test.h"
#include "tests/support/surroundings.h"

namespace crisp::test {
namespace {

using image::FakeRegistry;
using image::Json;
using image::Sha256;
using image::TarBuilder;
using testing::HasSubstr;
using testing::StartsWith;

class ImageVolumeTest : public PodTest {
 protected:
  // For the last test.
  static void SetUpTestSuite() {
    if (!InSurroundings() || TmpfsHasIdmaps()) return;
    ASSERT_THAT(run_on_disk_.Enter(), IsOk());
  }
  static void TearDownTestSuite() { EXPECT_THAT(run_on_disk_.Leave(), IsOk()); }
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    layers_before_ = Layers();
    data_ = image::MakeImage(
        {image::GzipLayer(TarBuilder()
                              .Dir("a")
                              .File("a/one", "1\n")
                              .File("a/gone", "x")
                              .File("secret", "top\n")
                              .Symlink("in", "/a/one")
                              .Symlink("out", "../../../../etc")
                              .File("tool", "#!/bin/sh\necho ran\n", 0755)
                              .Add(Fifo("pipe"))
                              .Build()),
         image::PlainLayer(
             TarBuilder().Dir("a").File("a/.wh.gone", "").File("a/two", "2\n").Build())});
    Serve(data_, "v1");
    sandbox_ = SandboxConfig("pod");
    pod_ = RunPod(sandbox_);
  }
  void TearDown() override {
    if (!IsSkipped() && !HasFatalFailure()) {
      RemoveAllPods();
      RemoveImage(Name("v1"));
      RemoveImage(Name("artifact"));
    }
    PodTest::TearDown();
  }

  std::string Name(const std::string& tag) { return registry_.host() + "/data:" + tag; }
  void Serve(const image::MadeImage& made, const std::string& tag) {
    registry_.AddBlob(made.config);
    for (const image::MadeLayer& layer : made.layers) registry_.AddBlob(layer.blob);
    registry_.AddManifest(tag, made.manifest, image::kManifestType);
  }
  std::string Pull(const std::string& tag) {
    v1::PullImageRequest pull;
    pull.mutable_image()->set_image(Name(tag));
    return Must(client().Call(pull)).image_ref();
  }
  void RemoveImage(const std::string& name) {
    v1::RemoveImageRequest remove;
    remove.mutable_image()->set_image(name);
    EXPECT_THAT(client().Call(remove), IsOk());
  }
  static image::TarItem Fifo(const std::string& path) {
    image::TarItem out;
    out.path = path;
    out.type = '6';
    return out;
  }
  size_t Layers() {
    const std::filesystem::directory_iterator all(daemon().root() + "/layers");
    return static_cast<size_t>(std::distance(all, {}));
  }
  static v1::Mount* Add(v1::ContainerConfig* config, const std::string& image,
                        const std::string& path, const std::string& sub_path = "") {
    auto* mount = config->add_mounts();
    mount->mutable_image()->set_image(image);
    mount->set_container_path(path);
    mount->set_image_sub_path(sub_path);
    mount->set_readonly(true);
    return mount;
  }
  // The failure of a container with one such mount.
  Status Failure(const std::string& image, const std::string& sub_path = "") {
    auto config = ContainerConfig("c", {"top"});
    Add(&config, image, "/v", sub_path);
    return TryCreate(pod_, config, sandbox_).status();
  }

  FakeRegistry registry_;
  image::MadeImage data_;
  size_t layers_before_ = 0;
  v1::PodSandboxConfig sandbox_;
  std::string pod_;

 private:
  static inline RunOnDisk run_on_disk_;
};

TEST_P(ImageVolumeTest, WholeImagesAndParts) {
  const std::string id = Pull("v1");
  auto config = ContainerConfig("c", {"top"});
  Add(&config, id, "/whole");
  Add(&config, Name("v1"), "/part", "a")->set_readonly(false);  // it is all the same
  Add(&config, id, "/file", "a/one");
  Add(&config, id, "/linked", "in");
  const std::string container = StartContainer(pod_, config, sandbox_);
  EXPECT_EQ(Shell(container, "cat /whole/a/one /whole/a/two /part/two /file /linked; ls /part"),
            "1\n2\n2\n1\n1\none\ntwo\n");
  EXPECT_EQ(Shell(container,
                  "for f in /whole/x /part/x /whole/a/one; do"
                  " (echo x > $f) 2>/dev/null || echo refused; done"),
            "refused\nrefused\nrefused\n");
  EXPECT_EQ(Shell(container, "/whole/tool 2>/dev/null || echo noexec; sh /whole/tool"),
            "noexec\nran\n");
  EXPECT_EQ(Shell(container, "mount -o remount,rw,exec /whole 2>/dev/null || echo refused"),
            "refused\n");
  // A link of the image leads into the image, never to the node or to the container.
  EXPECT_EQ(Shell(container, "readlink /whole/out"), "../../../../etc\n");
  const auto status = StatusOf(container);
  ASSERT_EQ(status.mounts_size(), 4);
  EXPECT_EQ(status.mounts(1).SerializeAsString(), config.mounts(1).SerializeAsString());
  EXPECT_EQ(status.mounts(2).image_sub_path(), "a/one");
  // On the node nothing stays mounted for it.
  EXPECT_FALSE(PathExists(daemon().state() + "/containers/" + container + "/mounts"));
}

TEST_P(ImageVolumeTest, MistakesAreTold) {
  const std::string id = Pull("v1");
  const auto expect = [](const Status& status, Code code, const std::string& text) {
    EXPECT_EQ(status.code(), code) << status.message();
    // The first word is the test client's.
    EXPECT_THAT(status.message(),
                StartsWith("CreateContainer: ImageVolumeMountFailed: create container c: "));
    EXPECT_THAT(status.message(), HasSubstr(text));
  };
  expect(Failure("registry.example/none:1"), Code::kNotFound,
         "mount /v: image registry.example/none:1 is not on this node");
  expect(Failure(id, "a/none"), Code::kNotFound, "image_sub_path 'a/none'");
  expect(Failure(id, "a/gone"), Code::kNotFound, "image_sub_path 'a/gone'");
  expect(Failure(id, "out/passwd"), Code::kNotFound, "image_sub_path 'out/passwd'");
  expect(Failure(id, "../x"), Code::kInvalidArgument, "without '..'");
  expect(Failure(id, "/a"), Code::kInvalidArgument, "a relative path");
  expect(Failure(id, "pipe"), Code::kInvalidArgument, "neither a directory nor a file");
  auto config = ContainerConfig("c", {"top"});
  Add(&config, id, "/v")->set_host_path("/tmp");
  expect(TryCreate(pod_, config, sandbox_).status(), Code::kInvalidArgument, "host_path '/tmp'");
  config = ContainerConfig("c", {"top"});
  Add(&config, id, "/v")->set_propagation(v1::PROPAGATION_BIDIRECTIONAL);
  expect(TryCreate(pod_, config, sandbox_).status(), Code::kInvalidArgument,
         "allowed: PROPAGATION_PRIVATE");
  config = ContainerConfig("c", {"top"});
  Add(&config, id, "/v");
  EXPECT_THAT(TryCreate(pod_, config, sandbox_), IsOk());
}

TEST_P(ImageVolumeTest, TheImageStaysWhileItIsUsed) {
  const std::string id = Pull("v1");
  EXPECT_EQ(Layers(), layers_before_ + 2);
  auto config = ContainerConfig("one", {"top"});
  Add(&config, Name("v1"), "/v");
  const std::string one = StartContainer(pod_, config, sandbox_);
  config.mutable_metadata()->set_name("two");
  const std::string two = StartContainer(pod_, config, sandbox_);
  RemoveImage(id);
  v1::ImageStatusRequest status;
  status.mutable_image()->set_image(id);
  EXPECT_FALSE(Must(client().Call(status)).has_image());
  EXPECT_EQ(Shell(one, "cat /v/a/one"), "1\n");
  KillAndRestart();
  EXPECT_THAT(TryStop(one, 0), IsOk());
  EXPECT_THAT(TryRemove(one), IsOk());
  EXPECT_EQ(Shell(two, "cat /v/a/one; cat /v/a/two"), "1\n2\n");
  EXPECT_EQ(Layers(), layers_before_ + 2);
  EXPECT_THAT(TryStop(two, 0), IsOk());
  EXPECT_THAT(TryRemove(two), IsOk());
  EXPECT_TRUE(Eventually([&] { return Layers() == layers_before_; }));
}

TEST_P(ImageVolumeTest, Artifacts) {
  const auto file = [&](const std::string& content, const std::string& title) {
    Json layer = image::DescriptorOf(content, "application/octet-stream");
    if (!title.empty()) layer["annotations"] = {{"org.opencontainers.image.title", title}};
    registry_.AddBlob(content);
    return layer;
  };
  const std::string manifest =
      Json{{"schemaVersion", 2},
           {"mediaType", image::kManifestType},
           {"artifactType", "application/vnd.example.model"},
           {"config", image::DescriptorOf("{}", "application/vnd.oci.empty.v1+json")},
           {"layers", Json::array({file("weights\n", "model.bin"), file("read me\n", "docs/README"),
                                   file("nameless\n", "")})}}
          .dump();
  registry_.AddManifest("artifact", manifest, image::kManifestType);
  const std::string id = Pull("artifact");
  EXPECT_EQ(id, Sha256(manifest));
  v1::ImageStatusRequest request;
  request.mutable_image()->set_image(Name("artifact"));
  const auto shown = Must(client().Call(request)).image();
  EXPECT_EQ(shown.id(), id);
  EXPECT_GT(shown.size(), 0u);
  auto config = ContainerConfig("c", {"top"});
  Add(&config, id, "/model");
  Add(&config, id, "/one", "model.bin");
  const std::string container = StartContainer(pod_, config, sandbox_);
  EXPECT_EQ(Shell(container, "cat /model/model.bin /model/docs/README /one"),
            "weights\nread me\nweights\n");
  EXPECT_EQ(Shell(container, "cat /model/" + Sha256("nameless\n").substr(7)), "nameless\n");
  config = ContainerConfig("d", {"top"});
  config.mutable_image()->set_image(id);
  const Status refused = TryCreate(pod_, config, sandbox_).status();
  EXPECT_THAT(refused, HasCode(Code::kFailedPrecondition));
  EXPECT_THAT(refused.message(), HasSubstr("application/vnd.example.model, not a container image"));
}

TEST_P(ImageVolumeTest, InAUserNamespaceRootsFilesAreRoots) {
  bool announced = false;
  const v1::StatusResponse status = Must(client().Call(v1::StatusRequest()));
  for (const auto& handler : status.runtime_handlers()) {
    announced |= handler.name() == Runtime() && handler.features().user_namespaces();
  }
  if (!announced) GTEST_SKIP() << "this machine cannot make user namespaces for pods";
  v1::PodSandboxConfig sandbox = SandboxConfig("mapped");
  auto* userns = sandbox.mutable_linux()
                     ->mutable_security_context()
                     ->mutable_namespace_options()
                     ->mutable_userns_options();
  userns->set_mode(v1::POD);
  for (auto* mapping : {userns->add_uids(), userns->add_gids()}) {
    mapping->set_host_id(300000);
    mapping->set_length(65536);
  }
  auto config = ContainerConfig("c", {"top"});
  Add(&config, Pull("v1"), "/v");
  const std::string container = StartContainer(RunPod(sandbox), config, sandbox);
  EXPECT_EQ(Shell(container, "stat -c %u:%g /v/a /v/a/two; cat /v/a/one /v/a/two"),
            "0:0\n0:0\n1\n2\n");
  EXPECT_EQ(Shell(container, "(echo x > /v/x) 2>/dev/null || echo refused"), "refused\n");
}

CRISP_FOR_EACH_RUNTIME(ImageVolumeTest);

}  // namespace
}  // namespace crisp::test
