#include "base/database.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>

#include "base/core/file.h"
#include "temp_dir.h"

namespace crisp {
namespace {

constexpr std::array<std::string_view, 2> kSchema = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT NOT NULL);",
    "ALTER TABLE t ADD COLUMN y BLOB NOT NULL DEFAULT '';"};

class DatabaseTest : public testing::Test {
 protected:
  std::string Path() const { return dir_ / "x.db"; }
  std::string Log() const { return dir_ / "x.db-wal"; }
  void Open(std::span<const std::string_view> schema = kSchema) {
    db_.reset();
    auto opened = Database::Open(Path(), Durability::kNormal, schema);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    db_ = *std::move(opened);
  }
  int64_t Count() {
    int64_t count = -1;
    EXPECT_TRUE(db_->Execute("SELECT count(*) FROM t", {},
                             [&](const Database::Row& row) {
                               count = row.Int(0);
                               return OkStatus();
                             })
                    .ok());
    return count;
  }
  struct stat Stat(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info;
  }

  TempDir dir_;
  std::unique_ptr<Database> db_;
};

TEST_F(DatabaseTest, ValuesComeBackByteForByte) {
  Open();
  const std::string text("a\0b\xff", 4);
  ASSERT_TRUE(
      db_->Execute("INSERT INTO t VALUES(?,?,?)", {int64_t{1} << 40, "text", Database::Blob{text}})
          .ok());
  Open();
  int rows = 0;
  ASSERT_TRUE(db_->Execute("SELECT * FROM t", {},
                           [&](const Database::Row& row) {
                             EXPECT_EQ(row.Int(0), int64_t{1} << 40);
                             EXPECT_EQ(row.Text(1), "text");
                             EXPECT_EQ(row.Text(2), text);
                             ++rows;
                             return OkStatus();
                           })
                  .ok());
  EXPECT_EQ(rows, 1);
}

TEST_F(DatabaseTest, AFailedTransactionLeavesNothing) {
  Open();
  const Status failed = db_->Transaction([this]() -> Status {
    CRISP_RETURN_IF_ERROR(db_->Execute("INSERT INTO t(id, x) VALUES(1,'a')"));
    return db_->Execute("INSERT INTO t(id, x) VALUES(1,'b')");
  });
  EXPECT_EQ(failed.code(), Code::kAlreadyExists) << failed.ToString();
  EXPECT_EQ(Count(), 0);
  ASSERT_TRUE(
      db_->Transaction([this] { return db_->Execute("INSERT INTO t(id, x) VALUES(1,'a')"); }).ok());
  EXPECT_EQ(Count(), 1);
}

TEST_F(DatabaseTest, SchemasGrowAndNewerOnesAreRefused) {
  Open(std::span(kSchema).first(1));
  ASSERT_TRUE(db_->Execute("INSERT INTO t(id, x) VALUES(1,'a')").ok());
  Open();
  ASSERT_TRUE(db_->Execute("UPDATE t SET y='z'").ok());
  EXPECT_EQ(Count(), 1);
  db_.reset();
  const auto newer = Database::Open(Path(), Durability::kNormal, std::span(kSchema).first(1));
  EXPECT_EQ(newer.status().code(), Code::kFailedPrecondition);
  EXPECT_NE(newer.status().message().find("newer crisp"), std::string::npos);
}

TEST_F(DatabaseTest, ErrorsOfStatementsNameThem) {
  Open();
  const Status failed = db_->Execute("SELECT nothing FROM t");
  EXPECT_EQ(failed.code(), Code::kInternal);
  EXPECT_NE(failed.message().find("SELECT nothing"), std::string::npos);
}

TEST_F(DatabaseTest, OnlyRootReadsIt) {
  Open();
  EXPECT_EQ(Stat(Path()).st_mode & 0777, 0600u);
  EXPECT_EQ(Stat(Log()).st_mode & 0777, 0600u);
}

// Space that a full disk does not need to have.
TEST_F(DatabaseTest, RoomForTheLogIsReserved) {
  Open();
  ASSERT_TRUE(db_->Execute("INSERT INTO t(id, x) VALUES(1,'a')").ok());
  const auto reserved = [&] { return Stat(Log()).st_blocks * 512; };
  if (reserved() < 1 << 20) GTEST_SKIP() << "this file system reserves nothing";
  EXPECT_GE(reserved(), 4 << 20);
  db_.reset();
  EXPECT_GE(reserved(), 4 << 20) << "also while it is closed";
  EXPECT_FALSE(PathExists(dir_ / "x.db-shm"));
  Open();
  EXPECT_EQ(Count(), 1);
}

TEST_F(DatabaseTest, AnotherProcessMayNotHaveItOpen) {
  Open();
  const auto second = Database::Open(Path(), Durability::kNormal, kSchema);
  EXPECT_EQ(second.status().code(), Code::kUnavailable) << second.status().ToString();
  EXPECT_EQ(Count(), 0);
}

}  // namespace
}  // namespace crisp
