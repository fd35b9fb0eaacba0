// Images as other builders make them: buildah (OCI and docker format) and umoci, by way of a real
// registry.
#include <sys/stat.h>

#include "base/core/file.h"
#include "base/core/mount.h"
#include "real_registry.h"

namespace crisp::image {
namespace {

using testing::Contains;
using testing::ElementsAre;

class BuiltImages : public RealRegistry {
 protected:
  // A tree with the things that archives get wrong.
  void MakeTree() {
    ASSERT_TRUE(EnsureDirectory(dir_ / "tree/sub").ok());
    ASSERT_TRUE(WriteFile(dir_ / "tree/sub/file", "content").ok());
    ASSERT_EQ(::chmod((dir_ / "tree/sub/file").c_str(), 04755), 0);
    ASSERT_EQ(::symlink("sub/file", (dir_ / "tree/link").c_str()), 0);
    ASSERT_EQ(::link((dir_ / "tree/sub/file").c_str(), (dir_ / "tree/hard").c_str()), 0);
    ASSERT_TRUE(WriteFile(dir_ / ("tree/" + std::string(150, 'n')), "a long name").ok());
  }
  bool Buildah(const std::vector<std::string>& command) {
    std::vector<std::string> argv = {"env",
                                     "TMPDIR=" + dir_.path(),
                                     "HOME=" + dir_.path(),
                                     "buildah",
                                     "--root",
                                     dir_ / "buildah",
                                     "--runroot",
                                     dir_ / "buildah-run",
                                     "--storage-driver",
                                     "vfs"};
    argv.insert(argv.end(), command.begin(), command.end());
    return RunProgram(argv);
  }
  // Mounts the image, looks at one path below it, unmounts.
  struct stat StatInImage(const std::string& id, const std::string& path) {
    struct stat out {};
    const auto lease = service().Acquire(id);
    EXPECT_TRUE(lease.ok() && EnsureDirectory(dir_ / "seen").ok());
    const Status mounted = service().MountImage(**lease, dir_ / "seen", {});
    EXPECT_TRUE(mounted.ok()) << mounted.message();
    EXPECT_EQ(::lstat((dir_ / ("seen/" + path)).c_str(), &out), 0) << path;
    EXPECT_TRUE(EnsureUnmounted(dir_ / "seen").ok());
    return out;
  }
  void ExpectTree(const std::string& id, const std::string& base) {
    EXPECT_EQ(FileInImage(id, base + "sub/file"), "content");
    EXPECT_EQ(FileInImage(id, base + "link"), "content");
    EXPECT_EQ(FileInImage(id, base + std::string(150, 'n')), "a long name");
    EXPECT_EQ(StatInImage(id, base + "sub/file").st_mode & 07777u, 04755u);
    EXPECT_TRUE(S_ISLNK(StatInImage(id, base + "link").st_mode));
    EXPECT_EQ(FileInImage(id, base + "hard"), "content");
  }
};

TEST_F(BuiltImages, ByBuildah) {
  if (!HasProgram("buildah")) GTEST_SKIP() << "needs buildah";
  StartRegistry();
  MakeTree();
  const std::string policy = dir_ / "accept.json";
  ASSERT_TRUE(WriteFile(policy, R"({"default":[{"type":"insecureAcceptAnything"}]})").ok());
  ASSERT_TRUE(WriteFile(dir_ / "owned", "7 and 8").ok());
  ASSERT_TRUE(Buildah({"from", "--isolation", "chroot", "--name", "made", "scratch"}));
  ASSERT_TRUE(Buildah({"copy", "made", dir_ / "tree", "/tree"}));
  ASSERT_TRUE(Buildah({"copy", "--chown", "7:8", "made", dir_ / "owned", "/etc/owned"}));
  ASSERT_TRUE(
      Buildah({"config", "--env", "A=b", "--cmd", "/bin/x y", "--label", "l=m", "--user", "7:8",
               "--volume", "/v", "--workingdir", "/tree", "--stop-signal", "SIGINT", "made"}));
  for (const std::string format : {"oci", "docker"}) {
    const std::string out =
        format == "oci" ? Cat("oci:", dir_ / "oci", ":v1") : Cat("dir:", dir_ / "docker");
    ASSERT_TRUE(
        Buildah({"commit", "-q", "--signature-policy", policy, "--format", format, "made", out}));
    ASSERT_TRUE(PushLayout(out, "built:" + format, {}));
    const auto id = Pull(host_ + "/built:" + format);
    ASSERT_TRUE(id.ok()) << format << ": " << id.status().message();
    ExpectTree(*id, "tree/");
    EXPECT_EQ(FileInImage(*id, "etc/owned"), "7 and 8");
    const struct stat owned = StatInImage(*id, "etc/owned");
    EXPECT_EQ(owned.st_uid, 7u);
    EXPECT_EQ(owned.st_gid, 8u);
    const ImageConfig config = (*service().Find(*id))->config;
    EXPECT_THAT(config.env, Contains("A=b"));
    EXPECT_THAT(config.cmd, ElementsAre("/bin/x", "y"));
    EXPECT_EQ(config.labels.at("l"), "m");
    EXPECT_EQ(config.user, "7:8");
    EXPECT_THAT(config.volumes, ElementsAre("/v"));
    EXPECT_EQ(config.working_dir, "/tree");
    EXPECT_EQ(config.stop_signal, "SIGINT");
  }
  ASSERT_EQ(Counts().layers, 1u);  // both formats have the same layer
  // A second layer on the first one, with a file gone: whiteouts as buildah writes them.
  ASSERT_TRUE(Buildah({"commit", "-q", "--signature-policy", policy, "made", "base:v1"}));
  ASSERT_TRUE(Buildah({"from", "--isolation", "chroot", "--pull-never", "--signature-policy",
                       policy, "--name", "child", "localhost/base:v1"}));
  ASSERT_TRUE(WriteFile(dir_ / "added", "new").ok());
  ASSERT_TRUE(Buildah({"copy", "child", dir_ / "added", "/tree/sub/added"}));
  ASSERT_TRUE(Buildah(
      {"commit", "-q", "--signature-policy", policy, "child", Cat("oci:", dir_ / "child", ":v1")}));
  ASSERT_TRUE(PushLayout(Cat("oci:", dir_ / "child", ":v1"), "built:child", {}));
  const auto child = Pull(host_ + "/built:child");
  ASSERT_TRUE(child.ok()) << child.status().message();
  ExpectTree(*child, "tree/");
  EXPECT_EQ(FileInImage(*child, "tree/sub/added"), "new");
  EXPECT_TRUE(Buildah({"rm", "--all"}));
}

TEST_F(BuiltImages, ByUmoci) {
  if (!HasProgram("umoci")) GTEST_SKIP() << "needs umoci";
  StartRegistry();
  MakeTree();
  const std::string layout = dir_ / "umoci";
  const std::string image = layout + ":v1";
  ASSERT_TRUE(RunProgram({"umoci", "init", "--layout", layout}));
  ASSERT_TRUE(RunProgram({"umoci", "new", "--image", image}));
  ASSERT_TRUE(RunProgram({"umoci", "insert", "--image", image, dir_ / "tree", "/tree"}));
  ASSERT_TRUE(WriteFile(dir_ / "gone", "x").ok());
  ASSERT_TRUE(RunProgram({"umoci", "insert", "--image", image, dir_ / "gone", "/tree/gone"}));
  ASSERT_TRUE(RunProgram({"umoci", "insert", "--image", image, "--whiteout", "/tree/gone"}));
  ASSERT_TRUE(RunProgram(
      {"umoci", "config", "--image", image, "--config.env", "A=b", "--config.user", "7:8"}));
  ASSERT_TRUE(PushLayout("oci:" + image, "built:umoci", {}));
  const auto id = Pull(host_ + "/built:umoci");
  ASSERT_TRUE(id.ok()) << id.status().message();
  ExpectTree(*id, "tree/");
  EXPECT_EQ(FileInImage(*id, "tree/gone"), "(none)");
  const ImageConfig config = (*service().Find(*id))->config;
  EXPECT_THAT(config.env, Contains("A=b"));
  EXPECT_EQ(config.user, "7:8");
}

}  // namespace
}  // namespace crisp::image
