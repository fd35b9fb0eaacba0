#include "base/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/core/file.h"

namespace crisp {
namespace {

// A log of as many frames (page and header) as SQLite lets gather before it writes them back
// (1000), and some more, since readers may hold that up: sqlite.org/wal.html, fileformat2.html.
constexpr off_t kReserve_bytes = 32 + off_t{1064} * (24 + 4096);
constexpr int kBusy_ms = 2000;

Code CodeFromSqlite(int error) {
  switch (error & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Code::kDataLoss;
    case SQLITE_FULL:
      return Code::kResourceExhausted;
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return Code::kPermissionDenied;
    case SQLITE_CONSTRAINT:
      return Code::kAlreadyExists;
    case SQLITE_BUSY:
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

// Without room, or where the file system cannot, rows are changed as long as there is room.
void Reserve(const std::string& log_path) {
  const Result<UniqueFd> log = OpenFile(log_path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (log.ok()) (void)::fallocate(log->get(), FALLOC_FL_KEEP_SIZE, 0, kReserve_bytes);
}

}  // namespace

int64_t Database::Row::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Database::Row::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  if (bytes == nullptr) return {};
  return std::string(static_cast<const char*>(bytes),
                     static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

Result<std::unique_ptr<Database>> Database::Open(const std::string& path, Durability durability,
                                                 std::span<const std::string_view> migrations) {
  // SQLite would make it 0644 less the umask, and who opens it in that moment reads for ever.
  {
    const UniqueFd file =
        CRISP_TRY(OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600).Wrap("database ", path));
  }
  sqlite3* raw = nullptr;
  const int error = sqlite3_open_v2(
      path.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
      nullptr);
  std::unique_ptr<Database> db(new Database(raw));
  if (error != SQLITE_OK) return db->Error("open").Wrap("database ", path);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, kBusy_ms);
  int persist = 1;
  sqlite3_file_control(raw, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
  // Before anything is written: the WAL gets the same mode.
  if (::chmod(path.c_str(), 0600) != 0) return Errno("set mode of ", path);
  for (const char* pragma :
       {// Before the log is opened: then its index is in memory, and not in a file of its own that
        // cannot be made on a full disk.
        "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL",
        durability == Durability::kFull ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
        // One connection, and memory counts: a small page cache.
        "PRAGMA cache_size=-256"}) {
    CRISP_RETURN_IF_ERROR(db->Configure(pragma).Wrap("database ", path));
  }
  CRISP_RETURN_IF_ERROR(db->Migrate(migrations).Wrap("database ", path));
  Reserve(Cat(path, "-wal"));
  return db;
}

Database::~Database() {
  for (auto& [sql, statement] : prepared_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

Status Database::Error(std::string_view sql) const {
  const int error = db_ == nullptr ? SQLITE_NOMEM : sqlite3_extended_errcode(db_);
  const char* text = db_ == nullptr ? "out of memory" : sqlite3_errmsg(db_);
  return Status(CodeFromSqlite(error), Cat(sql, ": ", text));
}

Result<sqlite3_stmt*> Database::Prepare(std::string_view sql) {
  for (auto& [text, statement] : prepared_) {
    if (text == sql) return statement;
  }
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                         &statement, nullptr) != SQLITE_OK) {
    return Error(sql);
  }
  prepared_.emplace_back(std::string(sql), statement);
  return statement;
}

Status Database::Execute(std::string_view sql, const std::vector<Value>& values,
                         const std::function<Status(const Row&)>& on_row) {
  std::lock_guard lock(mutex_);
  sqlite3_stmt* statement = CRISP_TRY(Prepare(sql));
  for (size_t i = 0; i < values.size(); ++i) {
    const int index = static_cast<int>(i) + 1;
    if (const auto* number = std::get_if<int64_t>(&values[i])) {
      sqlite3_bind_int64(statement, index, *number);
    } else if (const auto* text = std::get_if<std::string_view>(&values[i])) {
      sqlite3_bind_text(statement, index, text->data(), static_cast<int>(text->size()),
                        SQLITE_TRANSIENT);
    } else {
      const auto& blob = std::get<Blob>(values[i]).bytes;
      sqlite3_bind_blob(statement, index, blob.data(), static_cast<int>(blob.size()),
                        SQLITE_TRANSIENT);
    }
  }
  Status status;
  int step;
  while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
    if (on_row) status = on_row(Row(statement));
    if (!status.ok()) break;
  }
  if (status.ok() && step != SQLITE_DONE) status = Error(sql);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

Status Database::Configure(const std::string& sql) {
  std::lock_guard lock(mutex_);
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return Error(sql);
  return OkStatus();
}

Status Database::Transaction(const std::function<Status()>& work) {
  std::lock_guard lock(mutex_);
  CRISP_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  Status status = work();
  if (status.ok()) status = Execute("COMMIT");
  if (!status.ok()) (void)Execute("ROLLBACK");
  return status;
}

Status Database::Migrate(std::span<const std::string_view> migrations) {
  int64_t version = 0;
  CRISP_RETURN_IF_ERROR(Execute("PRAGMA user_version", {}, [&](const Row& row) {
    version = row.Int(0);
    return OkStatus();
  }));
  if (version > static_cast<int64_t>(migrations.size())) {
    return FailedPrecondition("its schema has version ", version, ", this program knows up to ",
                              migrations.size(), ": it was written by a newer crisp");
  }
  for (; version < static_cast<int64_t>(migrations.size()); ++version) {
    // sqlite3_exec: a migration is several statements.
    const std::string script = Cat("BEGIN IMMEDIATE;", migrations[static_cast<size_t>(version)],
                                   ";PRAGMA user_version=", version + 1, ";COMMIT;");
    if (sqlite3_exec(db_, script.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
      Status status = Error("migrate");
      sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
      return status;
    }
  }
  return OkStatus();
}

}  // namespace crisp
