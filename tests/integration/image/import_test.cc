// Import of OCI layouts, OCI archives and docker archives.
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "base/core/file.h"
#include "image_fixture.h"

namespace crisp::image {
namespace {

using testing::HasSubstr;

class ImportTest : public ImageFixture {
 protected:
  MadeImage TwoLayers() {
    return MakeImage({GzipLayer(TarBuilder().Dir("d").File("d/a", "a").Build()),
                      GzipLayer(TarBuilder().Dir("d").File("d/b", "b").Build())});
  }
  // A tar of the layout directory.
  std::string Archive(const MadeImage& image, const std::string& ref_name) {
    Json entry = DescriptorOf(image.manifest, kManifestType);
    entry["annotations"] = {{"org.opencontainers.image.ref.name", ref_name}};
    TarBuilder tar;
    tar.Dir("blobs").Dir("blobs/sha256");
    tar.File("./oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    tar.File("index.json", Json{{"schemaVersion", 2}, {"manifests", Json::array({entry})}}.dump());
    const auto put = [&](const std::string& bytes) {
      tar.File("blobs/sha256/" + Sha256(bytes).substr(7), bytes);
    };
    put(image.config);
    put(image.manifest);
    for (const MadeLayer& layer : image.layers) put(layer.blob);
    return tar.Build();
  }
  // As "docker save" wrote it for years: a repeated layer is a symbolic link.
  std::string DockerArchive(const MadeImage& image, const std::vector<std::string>& tags) {
    TarBuilder tar;
    tar.File("config.json", image.config);
    tar.Dir("l0").File("l0/layer.tar", image.layers[0].archive);
    tar.Dir("l1").File("l1/layer.tar", image.layers[1].archive);
    tar.Dir("l2").Symlink("l2/layer.tar", "../l1/layer.tar");
    const Json entry = {{"Config", "config.json"},
                        {"RepoTags", tags},
                        {"Layers", {"l0/layer.tar", "l2/layer.tar"}}};
    tar.File("manifest.json", Json::array({entry}).dump());
    return tar.Build();
  }
  Result<std::vector<std::string>> ImportBytes(const std::string& bytes,
                                               const std::string& name = {}) {
    EXPECT_TRUE(WriteFile(dir_ / "archive", bytes).ok());
    return service().Import(dir_ / "archive", name, {});
  }
};

TEST_F(ImportTest, OciLayout) {
  const MadeImage made = TwoLayers();
  const auto ids = service().Import(MakeLayout(made, "example.com/app:v1"), "", {});
  ASSERT_TRUE(ids.ok()) << ids.status().message();
  EXPECT_EQ(*ids, std::vector<std::string>{made.id()});
  const ImagePtr image = *service().Find("example.com/app:v1");
  ASSERT_NE(image, nullptr);
  EXPECT_EQ(image->repo_digests, std::vector<std::string>{"example.com/app@" + made.digest()});
  EXPECT_EQ(FileInImage(made.id(), "d/a"), "a");
  EXPECT_EQ(FileInImage(made.id(), "d/b"), "b");
}

TEST_F(ImportTest, NameOverridesAndNamelessIsFoundById) {
  const MadeImage made = TwoLayers();
  const std::string layout = MakeLayout(made, "x");  // only a tag: no name
  ASSERT_TRUE(service().Import(layout, "", {}).ok());
  EXPECT_TRUE((*service().Find(made.id()))->repo_tags.empty());
  ASSERT_TRUE(service().Import(layout, "app", {}).ok());
  EXPECT_EQ((*service().Find("app"))->repo_tags,
            std::vector<std::string>{"docker.io/library/app:latest"});
  EXPECT_EQ(service().Import(layout, "No Name", {}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(service().Import("relative", "", {}).status().code(), Code::kInvalidArgument);
}

TEST_F(ImportTest, OciArchivePlainAndCompressed) {
  const MadeImage made = TwoLayers();
  for (const std::string& bytes : {Archive(made, "a.io/b:c"), Gzip(Archive(made, "a.io/b:c")),
                                   Zstd(Archive(made, "a.io/b:c"))}) {
    const auto ids = ImportBytes(bytes);
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    EXPECT_EQ(FileInImage(made.id(), "d/b"), "b");
    ASSERT_TRUE(service().Remove("a.io/b:c").ok());
    EXPECT_EQ(SettledCounts({}), StoreCounts{});
  }
}

TEST_F(ImportTest, DockerArchive) {
  const MadeImage made = TwoLayers();
  const auto ids = ImportBytes(DockerArchive(made, {"app:1", "quay.io/app:2"}));
  ASSERT_TRUE(ids.ok()) << ids.status().message();
  EXPECT_EQ(*ids, std::vector<std::string>{made.id()});
  EXPECT_EQ((*service().Find("app:1"))->repo_tags,
            (std::vector<std::string>{"docker.io/library/app:1", "quay.io/app:2"}));
  EXPECT_EQ(FileInImage(made.id(), "d/a"), "a");
  EXPECT_EQ(FileInImage(made.id(), "d/b"), "b");
}

TEST_F(ImportTest, ArchivesOfSkopeo) {
  if (!HasProgram("skopeo")) GTEST_SKIP() << "needs skopeo";
  const MadeImage made = TwoLayers();
  const std::string layout = MakeLayout(made, "x");
  ASSERT_TRUE(RunProgram({"skopeo", "copy", "-q", "oci:" + layout + ":x",
                          "docker-archive:" + (dir_ / "docker.tar") + ":s.io/app:v1"}));
  ASSERT_TRUE(RunProgram({"skopeo", "copy", "-q", "oci:" + layout + ":x",
                          "oci-archive:" + (dir_ / "oci.tar") + ":v2"}));
  const auto docker = service().Import(dir_ / "docker.tar", "", {});
  ASSERT_TRUE(docker.ok()) << docker.status().message();
  EXPECT_NE(*service().Find("s.io/app:v1"), nullptr);
  const auto oci = service().Import(dir_ / "oci.tar", "s.io/other:v2", {});
  ASSERT_TRUE(oci.ok()) << oci.status().message();
  EXPECT_EQ(FileInImage(oci->at(0), "d/b"), "b");
}

const std::string kLongName(150, 'n');

// Every kind of entry that an archive can bring.
MadeImage EveryKind() {
  TarItem device;
  device.path = "dev/null";
  device.type = '3';
  device.major = 1;
  device.minor = 3;
  TarItem owned;
  owned.path = "d/owned";
  owned.data = "owned";
  TarBuilder bottom;
  bottom.Dir("d").Dir("dev").Dir("gone").File("gone/f", "").Dir("hidden").File("hidden/f", "");
  bottom.Add(device)
      .Pax({{"mtime", "-5"}, {"uid", "3000000000"}})
      .Add(owned)
      .HardLink("d/link", "d/owned")
      .Symlink("d/s", "owned");
  bottom.File("d/" + kLongName, "deep").File("d/exec", "x", 04755);
  bottom.Pax({{"SCHILY.xattr.user.note", std::string("a\0b", 3)}}).File("d/noted", "");
  TarBuilder top;
  top.File(".wh.gone", "").Dir("hidden").File("hidden/.wh..wh..opq", "").File("hidden/new", "new");
  return MakeImage({GzipLayer(bottom.Build()), GzipLayer(top.Build())},
                   Json{{"Cmd", Json::array({"/bin/x"})}});
}

TEST_F(ImportTest, ExportedAndImportedAgain) {
  const MadeImage made = EveryKind();
  FakeRegistry registry;
  Put(registry, made);
  ASSERT_TRUE(Pull(registry.host() + "/app:v1").ok());
  const std::string file = dir_ / "out.tar";
  EXPECT_EQ(service().Export("none:1", file, {}).code(), Code::kNotFound);
  EXPECT_EQ(service().Export(made.id(), "relative", {}).code(), Code::kInvalidArgument);
  const Status exported = service().Export(made.id(), file, {});
  ASSERT_TRUE(exported.ok()) << exported.message();
  const auto first = ReadFile(file);
  // The same bytes each time, and nothing that a host with SELinux has noted on them.
  const std::string pulled =
      dir_ / ("store/layers/" + (*service().Find(made.id()))->diff_ids[0].substr(7));
  ASSERT_EQ(::setxattr((pulled + "/d/noted").c_str(), "security.selinux", "u:r:t:s0", 9, 0), 0);
  ASSERT_TRUE(service().Export(made.id(), file, {}).ok());
  EXPECT_EQ(*first, *ReadFile(file));
  ASSERT_TRUE(service().Remove(made.id()).ok());

  const auto ids = service().Import(file, "", {});
  ASSERT_TRUE(ids.ok()) << ids.status().message();
  const ImagePtr image = *service().Find(registry.host() + "/app:v1");
  ASSERT_NE(image, nullptr);
  EXPECT_EQ(image->id, ids->at(0));
  EXPECT_EQ(image->config.cmd, std::vector<std::string>{"/bin/x"});
  EXPECT_EQ(FileInImage(image->id, "d/link"), "owned");
  EXPECT_EQ(FileInImage(image->id, "d/s"), "owned");
  EXPECT_EQ(FileInImage(image->id, "d/" + kLongName), "deep");
  EXPECT_EQ(FileInImage(image->id, "gone/f"), "(none)");
  EXPECT_EQ(FileInImage(image->id, "hidden/f"), "(none)");
  EXPECT_EQ(FileInImage(image->id, "hidden/new"), "new");
  const std::string layer = dir_ / ("store/layers/" + image->diff_ids[0].substr(7));
  struct stat owner;
  ASSERT_EQ(::lstat((layer + "/d/link").c_str(), &owner), 0);
  EXPECT_EQ(owner.st_uid, 3'000'000'000u);
  EXPECT_EQ(owner.st_nlink, 2u);
  EXPECT_EQ(owner.st_mtim.tv_sec, -5);
  ASSERT_EQ(::lstat((layer + "/d/exec").c_str(), &owner), 0);
  EXPECT_EQ(owner.st_mode & 07777, 04755u);
  ASSERT_EQ(::lstat((layer + "/dev/null").c_str(), &owner), 0);
  EXPECT_EQ(owner.st_rdev, ::makedev(1, 3));
  char note[8];
  EXPECT_EQ(::lgetxattr((layer + "/d/noted").c_str(), "user.note", note, sizeof(note)), 3);
}

// Until it sees that nobody wants it any more.
FakeResponse WithoutEnd(const FakeRegistry& registry, const std::string& start, int64_t claimed) {
  FakeResponse out;
  out.claimed_length = static_cast<size_t>(claimed);
  out.write_body = [&registry, start](int fd) {
    std::string bytes = start;
    while (!registry.stopping() && WriteAll(fd, bytes).ok()) {
      bytes.assign(256 << 10, '\0');
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  };
  return out;
}

TEST_F(ImportTest, ACancelledOneLeavesNothing) {
  // Of the two layers one is imported, and the other one waits for a pull that takes for ever.
  constexpr int64_t kClaimed = int64_t{256} << 20;
  TarItem endless;
  endless.path = "endless";
  endless.claimed_size = kClaimed - 512;
  const MadeLayer shared = PlainLayer(TarBuilder::Header(endless));
  MadeImage pulled = MakeImage({shared});
  Json manifest = Json::parse(pulled.manifest);
  manifest["layers"][0]["size"] = kClaimed;
  pulled.manifest = manifest.dump();
  FakeRegistry registry;
  Put(registry, pulled);
  const std::string blob = "/blobs/" + Sha256(shared.blob);
  registry.SetHook([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find(blob) == std::string::npos) return std::nullopt;
    return WithoutEnd(registry, shared.blob, kClaimed);
  });
  const auto wait_for = [](const std::function<bool()>& done) {
    for (int i = 0; i < 500 && !done(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_TRUE(done());
  };
  CancelSource stop;
  std::thread pull([&] {
    EXPECT_EQ(Pull(registry.host() + "/app:v1", {}, stop.token()).status().code(),
              Code::kCancelled);
  });
  wait_for([&] { return registry.CountRequests(blob) == 1; });
  const std::string layout =
      MakeLayout(MakeImage({GzipLayer(TarBuilder().File("own", "x").Build()), shared}), "a.io/b:c");

  const CancelSource late(MonoNow() + std::chrono::milliseconds(300));
  EXPECT_EQ(service().Import(layout, "", late.token()).status().code(), Code::kDeadlineExceeded);
  CancelSource source;
  std::thread import([&] {
    EXPECT_EQ(service().Import(layout, "", source.token()).status().code(), Code::kCancelled);
  });
  wait_for([&] {
    const auto pulls = service().Pulls();
    return pulls.size() == 2 && pulls[1].reference == layout && pulls[1].layers_ready == 1;
  });
  source.Cancel();
  const MonoTime cancelled = MonoNow();
  import.join();
  EXPECT_LT(MonoNow() - cancelled, std::chrono::seconds(5));
  EXPECT_EQ(service().Pulls().size(), 1u);
  EXPECT_EQ(*service().Find("a.io/b:c"), nullptr);
  stop.Cancel();
  pull.join();
  EXPECT_EQ(SettledCounts({}), StoreCounts{});
}

TEST_F(ImportTest, BadArchives) {
  const MadeImage made = TwoLayers();
  const auto fails = [&](const std::string& bytes, Code code, const std::string& says) {
    const auto ids = ImportBytes(bytes);
    ASSERT_FALSE(ids.ok()) << says;
    EXPECT_EQ(ids.status().code(), code) << ids.status().message();
    EXPECT_THAT(ids.status().message(), HasSubstr(says));
    EXPECT_THAT(ids.status().message(), HasSubstr(dir_ / "archive"));
    EXPECT_EQ(SettledCounts({}), StoreCounts{});
  };
  fails("not a tar", Code::kDataLoss, "cut off");
  fails(TarBuilder().File("x", "y").Build(), Code::kInvalidArgument, "neither an OCI layout");
  fails(Gzip(Archive(made, "a.io/b:c")).substr(0, 500), Code::kDataLoss, "gzip");
  std::string damaged = Archive(made, "a.io/b:c");
  const size_t at = damaged.find(made.layers[1].blob);
  ASSERT_NE(at, std::string::npos);
  damaged[at + made.layers[1].blob.size() / 2] ^= 1;
  fails(damaged, Code::kDataLoss, "layer 2 of 2");
  fails(TarBuilder().File("manifest.json", "[]").Build(), Code::kInvalidArgument, "manifest.json");
  fails(
      TarBuilder().File("manifest.json", R"([{"Config":"../../etc/passwd","Layers":[]}])").Build(),
      Code::kNotFound, "has no file");
  EXPECT_EQ(service().Import(dir_ / "missing", "", {}).status().code(), Code::kNotFound);
}

// Through a link to /proc, which for crisp-pull would be the node's: in an image it is a name.
TEST_F(ImportTest, LayersCannotReachOutside) {
  const std::string outside = dir_ / "outside";
  ASSERT_TRUE(EnsureDirectory(outside).ok());
  ASSERT_TRUE(WriteFile(outside + "/file", "untouched").ok());
  TarBuilder links;
  TarBuilder top;
  for (const std::string process : {"self", "1"}) {
    links.Symlink(process, "/proc/" + process + "/root" + outside);
    top.File(process + "/evil", process).File(process + "/.wh.file", "");
  }
  const MadeImage made = MakeImage({GzipLayer(links.Build()), GzipLayer(top.Build())});
  const auto ids = service().Import(MakeLayout(made, "a.io/b:c"), "", {});
  ASSERT_TRUE(ids.ok()) << ids.status().message();
  EXPECT_EQ(FileInImage(made.id(), "proc/self/root" + outside + "/evil"), "self");
  EXPECT_EQ(FileInImage(made.id(), "proc/1/root" + outside + "/evil"), "1");
  EXPECT_EQ(*ReadFile(outside + "/file"), "untouched");
  EXPECT_FALSE(PathExists(outside + "/evil"));
}

TEST_F(ImportTest, LayoutsCannotReachOutside) {
  const MadeImage made = TwoLayers();
  const std::string layout = MakeLayout(made, "a.io/b:c");
  ASSERT_TRUE(WriteFile(dir_ / "secret", made.config).ok());
  const std::string blob = layout + "/blobs/sha256/" + made.id().substr(7);
  ASSERT_EQ(::unlink(blob.c_str()), 0);
  ASSERT_EQ(::symlink((dir_ / "secret").c_str(), blob.c_str()), 0);
  EXPECT_FALSE(service().Import(layout, "", {}).ok());
}

}  // namespace
}  // namespace crisp::image
