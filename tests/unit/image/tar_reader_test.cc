#include "image/pull/tar_reader.h"

#include <gtest/gtest.h>

#include "image/pull/layer_path.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

struct Read {
  std::vector<TarEntry> entries;
  std::vector<std::string> data;
  Status status;
};

Read ReadAllEntries(const std::string& archive, const TarLimits& limits = {}, size_t piece = 777) {
  Read out;
  TextStream stream(archive, piece);
  TarReader reader(stream, limits);
  for (;;) {
    auto entry = reader.Next();
    if (!entry.ok()) {
      out.status = entry.status();
      return out;
    }
    if (!entry->has_value()) return out;
    std::string data;
    for (;;) {
      const auto bytes = reader.ReadData();
      if (!bytes.ok()) {
        out.status = bytes.status();
        return out;
      }
      if (bytes->empty()) break;
      data.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    }
    out.entries.push_back(std::move(**entry));
    out.data.push_back(std::move(data));
  }
}

TEST(TarReader, ReadsPlainMembers) {
  TarBuilder tar;
  tar.Dir("d/", 0750).File("d/f", std::string(1500, 'x'), 04755).Symlink("l", "d/f");
  tar.HardLink("h", "d/f").File("empty", "");
  const Read read = ReadAllEntries(tar.Build());
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  ASSERT_EQ(read.entries.size(), 5u);
  EXPECT_EQ(read.entries[0].type, TarType::kDirectory);
  EXPECT_EQ(read.entries[0].mode, 0750u);
  EXPECT_EQ(read.entries[1].mode, 04755u);
  EXPECT_EQ(read.entries[1].mtime_s, 1700000000);
  EXPECT_EQ(read.data[1], std::string(1500, 'x'));
  EXPECT_EQ(read.entries[2].link, "d/f");
  EXPECT_EQ(read.entries[3].type, TarType::kHardLink);
}

TEST(TarReader, AcceptsAMissingEnd) {
  EXPECT_TRUE(ReadAllEntries(TarBuilder().File("f", "x").WithoutEnd()).status.ok());
  EXPECT_TRUE(ReadAllEntries("").status.ok());
}

TEST(TarReader, AppliesPax) {
  TarBuilder tar;
  const std::string path = std::string(300, 'a') + "/b";
  tar.Pax({{"path", path},
           {"mtime", "-1.25"},
           {"uid", "3000000000"},
           {"SCHILY.xattr.user.k", std::string("v\0w", 3)}})
      .File("short", "data");
  tar.File("next", "");
  const Read read = ReadAllEntries(tar.Build());
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_EQ(read.entries[0].path, path);
  EXPECT_EQ(read.entries[0].mtime_s, -2);
  EXPECT_EQ(read.entries[0].mtime_ns, 750000000);
  EXPECT_EQ(read.entries[0].uid, 3000000000u);
  EXPECT_EQ(read.entries[0].xattrs.at("user.k"), std::string("v\0w", 3));
  EXPECT_EQ(read.entries[1].path, "next");  // the header was for one member
}

TEST(TarReader, AppliesGnuLongNames) {
  TarItem name;
  name.path = "././@LongLink";
  name.type = 'L';
  name.data = std::string(200, 'n') + std::string(1, '\0');
  TarItem link = name;
  link.type = 'K';
  link.data = std::string(150, 'l');
  TarBuilder tar;
  tar.Add(name).Add(link).Symlink("x", "y");
  const Read read = ReadAllEntries(tar.Build());
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_EQ(read.entries[0].path, std::string(200, 'n'));
  EXPECT_EQ(read.entries[0].link, std::string(150, 'l'));
}

TEST(TarReader, ReadsBase256Numbers) {
  TarItem item;
  item.path = "f";
  item.uid = 4000000000;
  item.mtime = -5;
  const Read read = ReadAllEntries(TarBuilder().Add(item).Build());
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_EQ(read.entries[0].uid, 4000000000u);
  EXPECT_EQ(read.entries[0].mtime_s, -5);
}

TEST(TarReader, ReadsSparseFormats) {
  TarBuilder tar;
  tar.Pax({{"GNU.sparse.map", "0,3,1000,2"}, {"GNU.sparse.size", "2000"}}).File("v01", "abcde");
  tar.Pax({{"GNU.sparse.offset", "0"},
           {"GNU.sparse.numbytes", "3"},
           {"GNU.sparse.offset", "9"},
           {"GNU.sparse.numbytes", "2"},
           {"GNU.sparse.size", "20"}})
      .File("v00", "abcde");
  std::string map = "2\n0\n3\n1000\n2\n";
  map.resize(512, '\0');
  tar.Pax({{"GNU.sparse.major", "1"},
           {"GNU.sparse.minor", "0"},
           {"GNU.sparse.name", "real"},
           {"GNU.sparse.realsize", "2000"}})
      .File("v10", map + "abcde");
  const Read read = ReadAllEntries(tar.Build());
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  ASSERT_EQ(read.entries.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(read.entries[i].sparse);
    EXPECT_EQ(read.data[i], "abcde");
    ASSERT_EQ(read.entries[i].segments.size(), 2u);
  }
  EXPECT_EQ(read.entries[0].size, 2000);
  EXPECT_EQ(read.entries[2].path, "real");
  EXPECT_EQ(read.entries[2].segments[1].offset, 1000);
}

TEST(TarReader, RefusesBadSparseMaps) {
  for (const char* map :
       {"0,3,1,2", "0,3,1999,2", "0,9", "5", "-1,5", "0,-5", "x,y", "0,3,9223372036854775807,2"}) {
    TarBuilder tar;
    tar.Pax({{"GNU.sparse.map", map}, {"GNU.sparse.size", "2000"}}).File("f", "abcde");
    EXPECT_FALSE(ReadAllEntries(tar.Build()).status.ok()) << map;
  }
}

TEST(TarReader, SeesEveryCut) {
  const std::string archive = TarBuilder().File("f", std::string(3000, 'x')).WithoutEnd();
  for (size_t length : {1u, 511u, 513u, 1000u, 3511u}) {
    EXPECT_EQ(ReadAllEntries(archive.substr(0, length)).status.code(), Code::kDataLoss) << length;
  }
  // But for the padding of the last file, without which umoci's archives end.
  for (size_t length : {3512u, 3513u, 3583u, 3584u}) {
    EXPECT_TRUE(ReadAllEntries(archive.substr(0, length)).status.ok()) << length;
  }
}

TEST(TarReader, RefusesDamagedHeaders) {
  std::string archive = TarBuilder().File("f", "x").Build();
  archive[3] = 'X';
  EXPECT_EQ(ReadAllEntries(archive).status.code(), Code::kDataLoss);
  EXPECT_EQ(ReadAllEntries(std::string(2048, 'z')).status.code(), Code::kDataLoss);
  TarItem item;
  item.path = "f";
  item.type = 'Z';
  EXPECT_EQ(ReadAllEntries(TarBuilder().Add(item).Build()).status.code(), Code::kInvalidArgument);
}

TEST(TarReader, RefusesBadSizes) {
  TarItem item;
  item.path = "f";
  item.claimed_size = INT64_MAX;
  EXPECT_FALSE(ReadAllEntries(TarBuilder().Add(item).Build()).status.ok());
  EXPECT_FALSE(
      ReadAllEntries(TarBuilder().Pax({{"size", "-1"}}).File("f", "").Build()).status.ok());
  EXPECT_FALSE(
      ReadAllEntries(TarBuilder().Pax({{"size", "99999999999999999999"}}).File("f", "").Build())
          .status.ok());
  EXPECT_FALSE(
      ReadAllEntries(TarBuilder().Pax({{"uid", "4294967295"}}).File("f", "").Build()).status.ok());
  EXPECT_FALSE(ReadAllEntries(TarBuilder().Pax({{"gid", "-1"}}).File("f", "").Build()).status.ok());
}

TEST(TarReader, RefusesBadPax) {
  for (const char* text :
       {"5 a=b\n", "99 a=b\n", "x a=b\n", "6 ab\n\n", "-6 a=b\n", "0 a=b\n", "6 a=bX", "5 =b\n"}) {
    TarItem item;
    item.path = "x";
    item.type = 'x';
    item.data = text;
    EXPECT_FALSE(ReadAllEntries(TarBuilder().Add(item).File("f", "").Build()).status.ok()) << text;
  }
}

TEST(TarReader, ObeysLimits) {
  TarLimits limits;
  limits.max_entries = 3;
  TarBuilder four;
  for (int i = 0; i < 4; ++i) four.File("f" + std::to_string(i), "");
  EXPECT_EQ(ReadAllEntries(four.Build(), limits).status.code(), Code::kResourceExhausted);
  limits = {};
  limits.max_total_bytes = 1000;
  TarBuilder large;
  large.File("a", std::string(600, 'x')).File("b", std::string(600, 'x'));
  EXPECT_EQ(ReadAllEntries(large.Build(), limits).status.code(), Code::kResourceExhausted);
  TarItem item;
  item.path = "x";
  item.type = 'L';
  item.data = std::string(2 << 20, 'x');
  EXPECT_EQ(ReadAllEntries(TarBuilder().Add(item).Build()).status.code(), Code::kResourceExhausted);
}

TEST(TarReader, LinksHaveNoData) {
  // What stands behind a link with a size is the next header, as Go's archive/tar reads it.
  TarItem item;
  item.path = "l";
  item.type = '2';
  item.link = "x";
  item.claimed_size = 512;
  const Read read = ReadAllEntries(TarBuilder().Add(item).File("f", "").Build());
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_EQ(read.entries.size(), 2u);
}

TEST(CleanLayerPath, KeepsNamesInside) {
  EXPECT_EQ(CleanLayerPath("./a//b/./c/")->full(), "a/b/c");
  EXPECT_EQ(CleanLayerPath("/etc/passwd")->full(), "etc/passwd");
  EXPECT_EQ(CleanLayerPath("a/b")->parent, "a");
  EXPECT_EQ(CleanLayerPath("./")->name, "");
  EXPECT_EQ(CleanLayerPath("...")->name, "...");
  for (const std::string bad : {"..", "../x", "a/../../x", "a/..", "/..", "./../x"}) {
    EXPECT_EQ(CleanLayerPath(bad).status().code(), Code::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(CleanLayerPath(std::string("a\0b", 3)).ok());
  EXPECT_FALSE(CleanLayerPath(std::string(256, 'a')).ok());
  std::string deep;
  for (int i = 0; i < 2100; ++i) deep += "a/";
  EXPECT_FALSE(CleanLayerPath(deep).ok());
}

TEST(ParseWhiteout, KnowsTheKinds) {
  EXPECT_EQ(ParseWhiteout("file")->kind, WhiteoutKind::kNone);
  EXPECT_EQ(ParseWhiteout(".wh.file")->target, "file");
  EXPECT_EQ(ParseWhiteout(".wh..wh..opq")->kind, WhiteoutKind::kOpaque);
  EXPECT_EQ(ParseWhiteout(".wh..wh.plnk")->kind, WhiteoutKind::kIgnored);
  for (const char* bad : {".wh.", ".wh..", ".wh..."}) EXPECT_FALSE(ParseWhiteout(bad).ok()) << bad;
}

TEST(PrintablePath, HidesControlCharacters) {
  EXPECT_EQ(PrintablePath("a\x1b\xff"), "a\\x1b\\xff");
}

}  // namespace
}  // namespace crisp::image
