// Layers into directories, hostile ones included. Needs root: owners, devices, trusted.*
// attributes.
#include "image/pull/layer_unpack.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "base/core/file.h"
#include "base/core/mount.h"
#include "image/overlay.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

namespace fs = std::filesystem;

class LayerUnpack : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to set owners and trusted attributes";
    ::umask(0);
  }
  void TearDown() override { ::umask(022); }

  // Unpacks on top of `parents` (names in dir_, topmost first).
  Result<LayerSummary> Unpack(const std::string& name, const std::string& archive,
                              std::vector<std::string> parents = {}, bool gzip = true) {
    const std::string blob = gzip ? Gzip(archive) : archive;
    LayerTask task;
    task.producer = [&](const ByteSink& sink, const StopFlag&) {
      return sink(Bytes(reinterpret_cast<const uint8_t*>(blob.data()), blob.size()));
    };
    task.blob_digest = *Digest::Parse(Sha256(blob));
    task.blob_bytes = static_cast<int64_t>(blob.size());
    task.diff_id = *Digest::Parse(Sha256(archive));
    task.directory = dir_ / name;
    StopFlag stop;
    task.stop = &stop;
    task.parents = [&]() -> Result<OverlayOptions> {
      OverlayOptions out;
      out.lower_root = dir_.path();
      for (const std::string& parent : parents) out.lower.push_back(parent + "/fs");
      return out;
    };
    return UnpackLayer(task);
  }
  std::string Path(const std::string& layer, const std::string& path) const {
    return dir_ / (layer + "/fs/" + path);
  }
  struct stat Stat(const std::string& layer, const std::string& path) const {
    struct stat info {};
    EXPECT_EQ(::lstat(Path(layer, path).c_str(), &info), 0) << path;
    return info;
  }
  bool Exists(const std::string& layer, const std::string& path) const {
    struct stat info;
    return ::lstat(Path(layer, path).c_str(), &info) == 0;
  }
  bool IsWhiteout(const std::string& layer, const std::string& path) const {
    const struct stat info = Stat(layer, path);
    return S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
  }
  std::string Xattr(const std::string& layer, const std::string& path, const char* name) const {
    char value[256];
    const ssize_t n = ::lgetxattr(Path(layer, path).c_str(), name, value, sizeof(value));
    return n < 0 ? "(none)" : std::string(value, static_cast<size_t>(n));
  }
  // What a container would see of the layers, topmost first.
  std::string View(const std::vector<std::string>& layers, const std::string& path) {
    OverlayOptions options;
    options.lower_root = dir_.path();
    for (const std::string& layer : layers) options.lower.push_back(layer + "/fs");
    EXPECT_TRUE(EnsureDirectory(dir_ / "up").ok() && EnsureDirectory(dir_ / "wk").ok());
    options.upper = dir_ / "up";
    options.work = dir_ / "wk";
    EXPECT_TRUE(EnsureDirectory(dir_ / "merged").ok());
    const Status mounted = MountOverlay(options, dir_ / "merged");
    if (!mounted.ok()) return mounted.message();
    const auto text = ReadFile(dir_ / ("merged/" + path));
    EXPECT_TRUE(EnsureUnmounted(dir_ / "merged").ok());
    return text.ok() ? *text : "(none)";
  }
  // The archive is refused with `code`, and nothing outside of the layer was made.
  void Refused(const std::string& archive, Code code, const std::string& says) {
    WriteOutside();
    const auto result = Unpack("bad", archive);
    ASSERT_FALSE(result.ok()) << says;
    EXPECT_EQ(result.status().code(), code) << result.status().ToString();
    EXPECT_NE(result.status().message().find(says), std::string::npos) << result.status().message();
    CheckOutside();
    ASSERT_TRUE(RemoveTreeAt(dir_ / "bad").ok());
  }
  void WriteOutside() {
    ASSERT_TRUE(EnsureDirectory(dir_ / "outside").ok());
    ASSERT_TRUE(WriteFile(dir_ / "outside/file", "untouched").ok());
  }
  void CheckOutside() {
    EXPECT_EQ(*ReadFile(dir_ / "outside/file"), "untouched");
    EXPECT_EQ(std::distance(fs::directory_iterator(dir_ / "outside"), {}), 1);
  }

  TempDir dir_;
};

TEST_F(LayerUnpack, KeepsEverythingThatFilesHave) {
  TarBuilder tar;
  TarItem item;
  item.path = "bin/tool";
  item.data = "program";
  item.mode = 06755;
  item.uid = 1000;
  item.gid = 70000;
  item.mtime = 1234567890;
  TarItem device;
  device.path = "dev/null";
  device.type = '3';
  device.major = 1;
  device.minor = 3;
  device.mode = 0666;
  TarItem fifo;
  fifo.path = "fifo";
  fifo.type = '6';
  fifo.uid = 5;
  const std::string capability("\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  tar.Dir("bin/", 01777)
      .Pax({{"SCHILY.xattr.user.note", "n"},
            {"SCHILY.xattr.security.capability", capability},
            {"SCHILY.xattr.security.selinux", "label"}});
  tar.Add(item)
      .Dir("dev")
      .Add(device)
      .Add(fifo)
      .Symlink("link", "/etc/x")
      .HardLink("h", "bin/tool");
  const auto result = Unpack("a", tar.Build());
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_FALSE(result->tied);
  const struct stat tool = Stat("a", "bin/tool");
  EXPECT_EQ(tool.st_mode, static_cast<mode_t>(S_IFREG | 06755));
  EXPECT_EQ(tool.st_uid, 1000u);
  EXPECT_EQ(tool.st_gid, 70000u);
  EXPECT_EQ(tool.st_mtime, 1234567890);
  EXPECT_EQ(tool.st_nlink, 2u);
  EXPECT_EQ(Xattr("a", "bin/tool", "user.note"), "n");
  EXPECT_EQ(Xattr("a", "bin/tool", "security.capability"), capability);
  EXPECT_EQ(Xattr("a", "bin/tool", "security.selinux"), "(none)");
  EXPECT_EQ(Stat("a", "bin").st_mode, static_cast<mode_t>(S_IFDIR | 01777));
  EXPECT_EQ(Stat("a", "bin").st_mtime, 1700000000);
  EXPECT_EQ(Stat("a", "dev/null").st_rdev, makedev(1, 3));
  EXPECT_EQ(Stat("a", "dev/null").st_mode, static_cast<mode_t>(S_IFCHR | 0666));
  EXPECT_TRUE(S_ISFIFO(Stat("a", "fifo").st_mode));
  EXPECT_EQ(fs::read_symlink(Path("a", "link")), "/etc/x");
  EXPECT_EQ(Stat("a", "link").st_mtime, 1700000000);
}

TEST_F(LayerUnpack, MakesSparseFiles) {
  TarBuilder tar;
  tar.Pax({{"GNU.sparse.map", "0,3,1000000,2"}, {"GNU.sparse.size", "2000000"}}).File("s", "abcde");
  ASSERT_TRUE(Unpack("a", tar.Build()).ok());
  const struct stat info = Stat("a", "s");
  EXPECT_EQ(info.st_size, 2000000);
  EXPECT_LT(info.st_blocks, 100);
  const std::string text = *ReadFile(Path("a", "s"));
  EXPECT_EQ(text.substr(0, 4), std::string("abc\0", 4));
  EXPECT_EQ(text.substr(1000000, 2), "de");
}

TEST_F(LayerUnpack, LaterEntriesReplaceEarlierOnes) {
  TarBuilder tar;
  tar.File("a", "1").File("a", "2").Dir("d").File("d/x", "1").File("d", "now a file");
  tar.Symlink("s", "d").Dir("s").File("s/y", "in s").Dir("k", 0700).File("k/z", "z").Dir("k", 0711);
  const auto result = Unpack("a", tar.Build());
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(*ReadFile(Path("a", "a")), "2");
  EXPECT_EQ(*ReadFile(Path("a", "d")), "now a file");
  EXPECT_EQ(*ReadFile(Path("a", "s/y")), "in s");
  EXPECT_EQ(*ReadFile(Path("a", "k/z")), "z");
  EXPECT_EQ(Stat("a", "k").st_mode & 07777, 0711u);
}

TEST_F(LayerUnpack, MakesWhiteouts) {
  ASSERT_TRUE(Unpack("low", TarBuilder()
                                .Dir("d")
                                .File("d/old", "old")
                                .File("gone", "x")
                                .Dir("e")
                                .File("e/old", "old")
                                .Dir("f")
                                .File("f/old", "old")
                                .Build())
                  .ok());
  TarBuilder tar;
  tar.File(".wh.gone", "").Dir("d").File("d/new", "new").File("d/.wh..wh..opq", "");
  tar.File(".wh.e", "").Dir("e").File("e/new", "new");  // removed and made anew
  tar.Dir("f").File("f/new", "new").File(".wh.f", "");  // the same, other order
  tar.File(".wh..wh.plnk", "");
  const auto result = Unpack("top", tar.Build());
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_FALSE(result->tied);
  EXPECT_TRUE(IsWhiteout("top", "gone"));
  EXPECT_FALSE(Exists("top", ".wh..wh.plnk"));
  const std::vector<std::string> layers = {"top", "low"};
  EXPECT_EQ(View(layers, "gone"), "(none)");
  for (const char* dir : {"d", "e", "f"}) {
    EXPECT_EQ(Xattr("top", dir, "trusted.overlay.opaque"), "y") << dir;
    EXPECT_EQ(View(layers, std::string(dir) + "/old"), "(none)") << dir;
    EXPECT_EQ(View(layers, std::string(dir) + "/new"), "new") << dir;
  }
}

TEST_F(LayerUnpack, OpaqueRootHidesAllBelow) {
  const auto result = Unpack("a", TarBuilder().File(".wh..wh..opq", "").File("f", "").Build());
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->opaque_root);
}

TEST_F(LayerUnpack, ImpliedDirectoryOfABottomLayer) {
  const auto result = Unpack("a", TarBuilder().File("x/y/f", "1").Build());
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_TRUE(result->tied);
  EXPECT_EQ(Stat("a", "x/y").st_mode & 07777, 0755u);
}

TEST_F(LayerUnpack, ImpliedDirectoryFollowsTheParents) {
  TarBuilder low;
  low.Dir("usr").Dir("usr/lib", 0751).Symlink("lib", "usr/lib").File("usr/lib/old", "old");
  ASSERT_TRUE(Unpack("low", low.Build()).ok());
  const auto result = Unpack("top", TarBuilder().File("lib/new", "new").Build(), {"low"});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_TRUE(result->tied);
  EXPECT_FALSE(Exists("top", "lib")) << "the parents' symlink must stay";
  EXPECT_EQ(*ReadFile(Path("top", "usr/lib/new")), "new");
  EXPECT_EQ(Stat("top", "usr/lib").st_mode & 07777, 0751u);
  EXPECT_EQ(View({"top", "low"}, "lib/new"), "new");
  EXPECT_EQ(View({"top", "low"}, "lib/old"), "old");
}

TEST_F(LayerUnpack, HardLinkIntoALowerLayer) {
  ASSERT_TRUE(Unpack("low", TarBuilder().Dir("d").File("d/f", "data", 0640).Build()).ok());
  TarBuilder tar;
  tar.File("before", "b").HardLink("link", "d/f").File(".wh.x", "").File("after", "a");
  const auto result = Unpack("top", tar.Build(), {"low"});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_TRUE(result->tied);
  EXPECT_EQ(*ReadFile(Path("top", "link")), "data");
  EXPECT_EQ(Stat("top", "link").st_mode & 07777, 0640u);
  EXPECT_EQ(*ReadFile(Path("top", "before")), "b");
  EXPECT_EQ(*ReadFile(Path("top", "after")), "a");
  EXPECT_TRUE(IsWhiteout("top", "x"));
}

TEST_F(LayerUnpack, WhiteoutsOfATiedLayer) {
  TarBuilder low;
  low.Dir("d").File("d/a", "a").File("d/b", "b").Dir("e").File("e/old", "old").Dir("o");
  low.File("o/old", "old").Dir("real").File("real/x", "x").Symlink("sym", "real");
  ASSERT_TRUE(Unpack("low", low.Build()).ok());
  TarBuilder top;
  top.File("d/new", "new");  // ties: d is implied
  top.File("d/.wh.a", "");
  top.File("sym/.wh.x", "");  // through the parents' symlink
  top.File(".wh.e", "").Dir("e").File("e/new", "new");
  top.File("o/.wh..wh..opq", "").File("o/new", "new");
  const auto result = Unpack("top", top.Build(), {"low"});
  ASSERT_TRUE(result.ok()) << result.status().message();
  const std::vector<std::string> layers = {"top", "low"};
  EXPECT_EQ(View(layers, "d/new"), "new");
  EXPECT_EQ(View(layers, "d/a"), "(none)");
  EXPECT_EQ(View(layers, "d/b"), "b");
  EXPECT_EQ(View(layers, "real/x"), "(none)");
  EXPECT_EQ(View(layers, "e/old"), "(none)");
  EXPECT_EQ(View(layers, "e/new"), "new");
  EXPECT_EQ(View(layers, "o/old"), "(none)");
  EXPECT_EQ(View(layers, "o/new"), "new");
}

TEST_F(LayerUnpack, DanglingSymlinkStandsForItsTarget) {
  TarBuilder tar;
  tar.Symlink("run", "/var/run2").File("run/f", "1");
  tar.Dir("d").Symlink("d/up", "../new").File("d/up/g", "2");
  const auto result = Unpack("a", tar.Build());
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(*ReadFile(Path("a", "var/run2/f")), "1");
  EXPECT_EQ(*ReadFile(Path("a", "new/g")), "2");
}

TEST_F(LayerUnpack, PathTraversalInEveryDisguise) {
  WriteOutside();
  const std::string up = dir_ / "outside";
  Refused(TarBuilder().File("../outside/file", "x").Build(), Code::kInvalidArgument, "..");
  Refused(TarBuilder().File("a/../../outside/file", "x").Build(), Code::kInvalidArgument, "..");
  Refused(TarBuilder().Dir("a").Dir("a/..").Build(), Code::kInvalidArgument, "..");
  Refused(TarBuilder().HardLink("l", "../../outside/file").Build(), Code::kInvalidArgument, "..");
  Refused(TarBuilder().HardLink("l", up + "/file").Build(), Code::kDataLoss, "no layer has");
  Refused(TarBuilder().File(".wh...", "").Build(), Code::kInvalidArgument, "whiteout");
  Refused(TarBuilder().File("a/.wh..", "").Build(), Code::kInvalidArgument, "whiteout");
  Refused(TarBuilder().Pax({{"path", "../outside/file"}}).File("f", "x").Build(),
          Code::kInvalidArgument, "..");
  Refused(TarBuilder().Pax({{"linkpath", "../../outside/file"}}).HardLink("l", "f").Build(),
          Code::kInvalidArgument, "..");
  Refused(TarBuilder().Pax({{"path", std::string("a\0/../../b", 10)}}).File("f", "x").Build(),
          Code::kInvalidArgument, "NUL");
}

TEST_F(LayerUnpack, SymlinksNeverLeadOutside) {
  WriteOutside();
  const std::string up = dir_ / "outside";
  TarBuilder tar;
  tar.Symlink("abs", up).File("abs/file", "x");
  tar.Symlink("rel", "../../outside").File("rel/file", "x");
  tar.Dir("d").Symlink("d/chain", "../rel").File("d/chain/other", "x");
  tar.Symlink("file", up + "/file").File("file", "replaced, not followed");
  tar.Symlink("magic", "/proc/self/root" + up).File("magic/file", "x");
  const auto result = Unpack("a", tar.Build());
  ASSERT_TRUE(result.ok()) << result.status().message();
  CheckOutside();
  EXPECT_EQ(*ReadFile(Path("a", "file")), "replaced, not followed");
}

TEST_F(LayerUnpack, LinksOfLowerLayersNeverLeadOutside) {
  WriteOutside();
  const std::string up = dir_ / "outside";
  TarBuilder low;
  low.Symlink("abs", up).Symlink("magic", "/proc/self/root" + up).Symlink("fd", "/proc/self/fd");
  ASSERT_TRUE(Unpack("low", low.Build()).ok());
  TarBuilder top;
  top.File("abs/evil", "x").File("abs/.wh.file", "").File("fd/1", "x");
  top.File("magic/evil", "x").File("magic/.wh.file", "");
  const auto result = Unpack("top", top.Build(), {"low"});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_TRUE(result->tied);
  EXPECT_EQ(*ReadFile(Path("top", up + "/evil")), "x");
  EXPECT_EQ(*ReadFile(Path("top", "proc/self/root" + up + "/evil")), "x");
  EXPECT_EQ(*ReadFile(Path("top", "proc/self/fd/1")), "x");
  for (const std::string link : {"abs", "magic"}) {
    const std::string archive = TarBuilder().HardLink("stolen", link + "/file").Build();
    const auto linked = Unpack("by-" + link, archive, {"low"});
    EXPECT_EQ(linked.status().code(), Code::kDataLoss) << linked.status().message();
  }
  CheckOutside();
}

TEST_F(LayerUnpack, SymlinkThenFileThroughItThenReplaced) {
  // The remembered directory must not outlive the name that led to it.
  WriteOutside();
  TarBuilder tar;
  tar.Dir("d").File("d/a", "1").Dir("t").Symlink("d", "t").File("d/b", "2");
  const auto result = Unpack("a", tar.Build());
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(*ReadFile(Path("a", "t/b")), "2");
  EXPECT_FALSE(Exists("a", "t/a"));
}

TEST_F(LayerUnpack, RefusesWhatTheKernelWouldMisread) {
  TarItem device;
  device.path = "w";
  device.type = '3';
  Refused(TarBuilder().Add(device).Build(), Code::kInvalidArgument, "0:0");
  for (const char* name : {"trusted.overlay.opaque", "trusted.overlay.redirect",
                           "trusted.overlay.metacopy", "trusted.overlay.whiteout"}) {
    Refused(TarBuilder().Pax({{std::string("SCHILY.xattr.") + name, "y"}}).Dir("d").Build(),
            Code::kInvalidArgument, name);
    Refused(TarBuilder().Pax({{std::string("SCHILY.xattr.") + name, "y"}}).File("f", "").Build(),
            Code::kInvalidArgument, name);
  }
}

TEST_F(LayerUnpack, RefusesOtherNonsense) {
  Refused(TarBuilder().Dir("d").HardLink("l", "d").Build(), Code::kInvalidArgument, "directory");
  Refused(TarBuilder().File(".wh.x", "").HardLink("l", "x").Build(), Code::kDataLoss, "removes");
  Refused(TarBuilder().File("f", "").File("f/g", "").Build(), Code::kInvalidArgument, "f");
  Refused(TarBuilder().Symlink("a", "b").Symlink("b", "a").File("a/f", "").Build(),
          Code::kInvalidArgument, "symbolic");
  Refused(TarBuilder().Symlink("s", "").Build(), Code::kInvalidArgument, "target");
  Refused(TarBuilder().File(std::string(300, 'a'), "").Build(), Code::kInvalidArgument, "255");
  TarItem root;
  root.path = "./";
  root.type = '2';
  root.link = "/etc";
  Refused(TarBuilder().Add(root).Build(), Code::kInvalidArgument, "root");
  Refused(std::string(4096, 'x'), Code::kDataLoss, "tar");
}

TEST_F(LayerUnpack, NamesNeedNotBeUtf8) {
  ASSERT_TRUE(Unpack("a", TarBuilder().File("\xff\xfe", "1").Build()).ok());
  EXPECT_EQ(*ReadFile(Path("a", "\xff\xfe")), "1");
}

TEST_F(LayerUnpack, VerifiesBothDigestsAndTheSize) {
  const std::string archive = TarBuilder().File("f", "data").Build();
  const std::string blob = Gzip(archive);
  const auto run = [&](const std::string& sent, const std::string& blob_digest, int64_t size,
                       const std::string& diff_id) {
    LayerTask task;
    task.producer = [&](const ByteSink& sink, const StopFlag&) {
      return sink(Bytes(reinterpret_cast<const uint8_t*>(sent.data()), sent.size()));
    };
    task.blob_digest = *Digest::Parse(blob_digest);
    task.blob_bytes = size;
    task.diff_id = *Digest::Parse(diff_id);
    task.directory = dir_ / "v";
    StopFlag stop;
    task.stop = &stop;
    task.parents = [] { return Result<OverlayOptions>(OverlayOptions{}); };
    const auto result = UnpackLayer(task);
    EXPECT_TRUE(RemoveTreeAt(dir_ / "v").ok());
    return result.ok() ? Code::kOk : result.status().code();
  };
  const auto size = static_cast<int64_t>(blob.size());
  const std::string wrong = "sha256:" + std::string(64, '0');
  EXPECT_EQ(run(blob, Sha256(blob), size, Sha256(archive)), Code::kOk);
  EXPECT_EQ(run(blob, wrong, size, Sha256(archive)), Code::kDataLoss);
  EXPECT_EQ(run(blob, Sha256(blob), size, wrong), Code::kDataLoss);
  EXPECT_EQ(run(blob, Sha256(blob), size + 1, Sha256(archive)), Code::kDataLoss);
  EXPECT_EQ(run(blob, Sha256(blob), size - 1, Sha256(archive)), Code::kDataLoss);
  // What stands behind the end of the archive counts too.
  EXPECT_EQ(run(Gzip(archive + "x"), Sha256(Gzip(archive + "x")),
                static_cast<int64_t>(Gzip(archive + "x").size()), Sha256(archive)),
            Code::kDataLoss);
}

TEST_F(LayerUnpack, ZstdAndPlain) {
  const std::string archive = TarBuilder().File("f", std::string(3 << 20, 'x')).Build();
  ASSERT_TRUE(Unpack("plain", archive, {}, false).ok());
  EXPECT_EQ(ReadFile(Path("plain", "f"))->size(), 3u << 20);
}

}  // namespace
}  // namespace crisp::image
