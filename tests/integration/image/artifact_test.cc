// OCI artifacts: files instead of archives.
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "image_fixture.h"

namespace crisp::image {
namespace {

using testing::HasSubstr;

constexpr char kEmptyType[] = "application/vnd.oci.empty.v1+json";

class ArtifactTest : public ImageFixture {
 protected:
  std::string Name(const std::string& tag) { return registry_.host() + "/thing:" + tag; }
  Json File(const std::string& content, const std::string& title,
            const std::string& type = "text/plain") {
    registry_.AddBlob(content);
    Json out = DescriptorOf(content, type);
    if (!title.empty()) out["annotations"] = {{"org.opencontainers.image.title", title}};
    return out;
  }
  // Served under `tag`; its digest.
  std::string Put(const std::vector<Json>& layers, const std::string& tag,
                  const std::string& config_type = kEmptyType) {
    Json manifest = {{"schemaVersion", 2},
                     {"mediaType", kManifestType},
                     {"config", DescriptorOf("{}", config_type)},
                     {"layers", layers}};
    if (config_type == kEmptyType) manifest["artifactType"] = "application/vnd.test";
    registry_.AddManifest(tag, manifest.dump(), kManifestType);
    return Sha256(manifest.dump());
  }
  // The file as a volume shows it.
  std::string FileInVolume(const std::string& id, const std::string& path) {
    const auto lease = service().Acquire(id);
    if (!lease.ok()) return lease.status().message();
    const std::string target = dir_ / "view";
    EXPECT_TRUE(EnsureDirectory(target).ok());
    const Status mounted = service().MountImage(**lease, target, {});
    if (!mounted.ok()) return mounted.message();
    const auto text = ReadFile(JoinPath(target, path));
    EXPECT_EQ(WriteFile(target + "/new", "").sys_errno(), EROFS);
    EXPECT_TRUE(EnsureUnmounted(target).ok());
    return text.ok() ? *text : "(none)";
  }

  FakeRegistry registry_;
};

TEST_F(ArtifactTest, FilesAreSharedAndNamed) {
  const std::string big(3 << 20, 'b');
  const std::string first =
      Put({File("one", "a"), File(big, "dir/b"), File("one", "dir/again")}, "1");
  const auto id = Pull(Name("1"));
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(*id, first);
  EXPECT_EQ(FileInVolume(*id, "a"), "one");
  EXPECT_EQ(FileInVolume(*id, "dir/b"), big);
  EXPECT_EQ(FileInVolume(*id, "dir/again"), "one");
  const ImagePtr image = *service().Find(Name("1"));
  EXPECT_EQ(image->config.artifact_type, "application/vnd.test");
  EXPECT_GE(image->size_bytes, 3 << 20);
  EXPECT_EQ(image->repo_tags, std::vector<std::string>{Name("1")});

  Put({File("two", "c"), File(big, "dir/b")}, "2", "application/vnd.cncf.helm.config.v1+json");
  const size_t before = registry_.CountRequests("/blobs/" + Sha256(big));
  const auto second = Pull(Name("2"));
  ASSERT_TRUE(second.ok()) << second.status().message();
  EXPECT_EQ(registry_.CountRequests("/blobs/" + Sha256(big)), before);
  EXPECT_EQ((*service().Find(*second))->config.artifact_type,
            "application/vnd.cncf.helm.config.v1+json");
  OpenService();  // what the database says
  EXPECT_EQ((*service().Find(*id))->config.artifact_type, "application/vnd.test");
  const auto report = service().Check(false, {});
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->layers_checked, 4u);
  EXPECT_TRUE(report->damaged.empty());
  const Status exported = service().Export(Name("1"), dir_ / "out.tar", {});
  EXPECT_EQ(exported.code(), Code::kFailedPrecondition);
  EXPECT_THAT(exported.message(), HasSubstr("only container images can be exported"));
  ASSERT_TRUE(service().Remove(*id).ok());
  ASSERT_TRUE(service().Remove(*second).ok());
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

TEST_F(ArtifactTest, WithoutFiles) {
  Put({DescriptorOf("{}", kEmptyType)}, "1");
  const auto id = Pull(Name("1"));
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(FileInVolume(*id, "a"), "(none)");
}

TEST_F(ArtifactTest, HostileTitles) {
  const std::vector<std::vector<Json>> all = {
      {File("x", "/etc/passwd")},
      {File("x", "../x")},
      {File("x", "a/../../x")},
      {File("x", "a//x")},
      {File("x", ".")},
      {File("x", "a/")},
      {File("x", std::string("a\0b", 3))},
      {File("x", std::string(300, 'n'))},
      {File("x", "a"), File("y", "a")},
      {File("x", "a"), File("y", "a/b")},
      {File("x", "a/b"), File("y", "a")},
  };
  for (const auto& layers : all) {
    Put(layers, "bad");
    const auto pulled = Pull(Name("bad"));
    EXPECT_EQ(pulled.status().code(), Code::kInvalidArgument) << Json(layers).dump();
    EXPECT_THAT(pulled.status().message(), HasSubstr("title"));
    EXPECT_EQ(SettledCounts({}), StoreCounts{});
  }
}

TEST_F(ArtifactTest, WrongContent) {
  Json wrong = File("good", "a");
  registry_.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find("/blobs/") == std::string::npos) return std::nullopt;
    FakeResponse out;
    out.body = "evil";
    return out;
  });
  Put({wrong}, "1");
  const auto pulled = Pull(Name("1"));
  EXPECT_EQ(pulled.status().code(), Code::kDataLoss) << pulled.status().message();
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

TEST_F(ArtifactTest, AreNotImported) {
  MadeImage made = MakeImage({PlainLayer(TarBuilder().File("a", "x").Build())});
  Json manifest = Json::parse(made.manifest);
  manifest["config"]["mediaType"] = "application/vnd.test";
  made.manifest = manifest.dump();
  const auto imported = service().Import(MakeLayout(made, "x"), "", {});
  EXPECT_EQ(imported.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(imported.status().message(), HasSubstr("artifact of the type application/vnd.test"));
}

}  // namespace
}  // namespace crisp::image
