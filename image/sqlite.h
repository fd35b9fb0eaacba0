// A thin owner for SQLite: one connection, prepared statements, transactions.
//
// Threads: one connection is used by one thread at a time (the owner's lock).
// Errors:  kInternal with SQLite's message; kResourceExhausted when the disk is full; kDataLoss
// when
//          the file is damaged.
#ifndef CRISP_IMAGE_SQLITE_H_
#define CRISP_IMAGE_SQLITE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/core/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace crisp::image {

class Statement {
 public:
  // Parameters from left to right, in the order of the calls.
  Statement& Bind(std::string_view text);
  Statement& Bind(int64_t number);
  // True: a row is there. False: done.
  Result<bool> Step();
  // For statements without rows.
  Status Run();

  std::string Text(int column) const;
  int64_t Int(int column) const;

 private:
  friend class SqliteConnection;
  Statement(sqlite3* db, sqlite3_stmt* statement);
  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement_;
  int next_ = 1;
  int bind_error_ = 0;
};

class SqliteConnection {
 public:
  static Result<SqliteConnection> Open(const std::string& path);

  Status Execute(const char* sql);
  Result<Statement> Prepare(const char* sql);
  // BEGIN IMMEDIATE, `work`, COMMIT; ROLLBACK when either fails.
  Status Transaction(const std::function<Status()>& work);

 private:
  explicit SqliteConnection(sqlite3* db);
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> db_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_SQLITE_H_
