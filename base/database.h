// Database: a thin owner of one SQLite file, for rooms that keep state.
//
// What:     open with WAL and a schema version, prepared statements, transactions.
// Contract: sqlite.org/c3ref. `user_version` is the schema's version: a file of a newer version is
//           refused (kFailedPrecondition), older ones are migrated step by step.
// Threads:  one connection, one mutex: every call is serialised. Callers keep what they read in
//           memory; the file is for surviving.
// Full disk: the write-ahead log is kept when the file is closed and has room reserved, so
//           rows change and go where nothing else can be written, and space can be freed.
// Access:   the file has mode 0600: rows may hold environments, and those secrets. It is locked:
//           others can read copies of it and of its -wal.
// Errors:   kDataLoss for a damaged file, kResourceExhausted for a full disk, kUnavailable while
//           another process has it open (waited for, two seconds), else kInternal; all name the
//           statement. After a failed Transaction everything in it is rolled back.
#ifndef CRISP_BASE_DATABASE_H_
#define CRISP_BASE_DATABASE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/core/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace crisp {

// FULL survives a power cut; NORMAL may lose the last commits then, but never corrupts (WAL).
enum class Durability { kNormal, kFull };

class Database {
 public:
  // A bound value; std::string_view binds as text, Blob as a blob.
  struct Blob {
    std::string_view bytes;
  };
  using Value = std::variant<int64_t, std::string_view, Blob>;

  // One row of a result, valid during the callback.
  class Row {
   public:
    explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
    int64_t Int(int column) const;
    std::string Text(int column) const;  // text or blob, byte for byte; NULL is empty

   private:
    sqlite3_stmt* statement_;
  };

  // `migrations[i]` takes the schema from version i to i + 1.
  static Result<std::unique_ptr<Database>> Open(const std::string& path, Durability durability,
                                                std::span<const std::string_view> migrations);
  ~Database();

  // Runs one statement; `on_row` sees each row. Statements are prepared once and kept, so PRAGMAs,
  // which act when they are prepared, belong to Configure().
  Status Execute(std::string_view sql, const std::vector<Value>& values = {},
                 const std::function<Status(const Row&)>& on_row = {});
  // Runs a PRAGMA or another statement without values and rows, prepared anew each time.
  Status Configure(const std::string& sql);
  // BEGIN IMMEDIATE ... COMMIT around `work`, which uses Execute.
  Status Transaction(const std::function<Status()>& work);

 private:
  explicit Database(sqlite3* db) : db_(db) {}
  Status Error(std::string_view sql) const;
  Result<sqlite3_stmt*> Prepare(std::string_view sql);
  Status Migrate(std::span<const std::string_view> migrations);

  std::recursive_mutex mutex_;  // recursive: Execute within Transaction
  sqlite3* db_;
  std::vector<std::pair<std::string, sqlite3_stmt*>> prepared_;
};

}  // namespace crisp

#endif  // CRISP_BASE_DATABASE_H_
