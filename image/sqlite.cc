#include "image/sqlite.h"

#include <sqlite3.h>

namespace crisp::image {
namespace {

Status FromSqlite(sqlite3* db, int code, std::string_view what) {
  const char* detail = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  const std::string text = Cat(what, ": ", detail);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return Status(Code::kResourceExhausted, text, ENOSPC);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Status(Code::kDataLoss, text);
    default:
      return Status(Code::kInternal, text);
  }
}

}  // namespace

Statement::Statement(sqlite3* db, sqlite3_stmt* statement)
    : db_(db), statement_(statement, sqlite3_finalize) {}

Statement& Statement::Bind(std::string_view text) {
  const int code = sqlite3_bind_text(statement_.get(), next_++, text.data(),
                                     static_cast<int>(text.size()), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::Bind(int64_t number) {
  const int code = sqlite3_bind_int64(statement_.get(), next_++, number);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Result<bool> Statement::Step() {
  if (bind_error_ != 0) return FromSqlite(db_, bind_error_, "bind");
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return FromSqlite(db_, code, sqlite3_sql(statement_.get()));
}

Status Statement::Run() {
  const bool row = CRISP_TRY(Step());
  if (row) return Internal("unexpected row of ", sqlite3_sql(statement_.get()));
  // Ready for the next set of parameters.
  sqlite3_reset(statement_.get());
  next_ = 1;
  return OkStatus();
}

std::string Statement::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_.get(), column);
  if (text == nullptr) return {};
  return std::string(reinterpret_cast<const char*>(text),
                     static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }

SqliteConnection::SqliteConnection(sqlite3* db) : db_(db, sqlite3_close_v2) {}

Result<SqliteConnection> SqliteConnection::Open(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  SqliteConnection connection(raw);
  if (code != SQLITE_OK) return FromSqlite(raw, code, Cat("open ", path));
  sqlite3_busy_timeout(raw, 5000);
  return connection;
}

Status SqliteConnection::Execute(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? OkStatus() : FromSqlite(db_.get(), code, sql);
}

Result<Statement> SqliteConnection::Prepare(const char* sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v2(db_.get(), sql, -1, &raw, nullptr);
  if (code != SQLITE_OK) return FromSqlite(db_.get(), code, sql);
  return Statement(db_.get(), raw);
}

Status SqliteConnection::Transaction(const std::function<Status()>& work) {
  CRISP_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  Status status = work();
  if (status.ok()) status = Execute("COMMIT");
  if (!status.ok()) (void)Execute("ROLLBACK");  // the first failure is what matters
  return status;
}

}  // namespace crisp::image
