#include "pod/state_db.h"

#include <array>
#include <charconv>

namespace crisp::pod {
namespace {

constexpr std::array<std::string_view, 3> kMigrations = {R"sql(
  CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE sandboxes(
    id TEXT PRIMARY KEY, state INTEGER NOT NULL, created_at INTEGER NOT NULL,
    handler TEXT NOT NULL, requested_handler TEXT NOT NULL, config BLOB NOT NULL,
    ips TEXT NOT NULL, monitor_pid INTEGER NOT NULL, init_pid INTEGER NOT NULL,
    init_start INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE containers(
    id TEXT PRIMARY KEY, sandbox TEXT NOT NULL, state INTEGER NOT NULL,
    created_at INTEGER NOT NULL, started_at INTEGER NOT NULL, finished_at INTEGER NOT NULL,
    exit_code INTEGER NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
    image_id TEXT NOT NULL, image_ref TEXT NOT NULL, image_name TEXT NOT NULL,
    stop_signal INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
    groups TEXT NOT NULL, config BLOB NOT NULL, resources BLOB NOT NULL,
    monitor_pid INTEGER NOT NULL, pid INTEGER NOT NULL, pid_start INTEGER NOT NULL) WITHOUT ROWID;
)sql",
                                                         R"sql(
  ALTER TABLE containers ADD COLUMN image_volumes TEXT NOT NULL DEFAULT '';
)sql",
                                                         R"sql(
  ALTER TABLE sandboxes ADD COLUMN selinux_level TEXT NOT NULL DEFAULT '';
)sql"};

template <typename Items>
std::string Join(const Items& items) {
  std::string out;
  for (const auto& item : items) out += out.empty() ? Cat(item) : Cat(',', item);
  return out;
}

std::vector<std::string> SplitComma(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    out.emplace_back(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return out;
}

Status Damaged(std::string_view what, const std::string& id) {
  return DataLoss("pods.db: ", what, " ", id, " has a config that cannot be read");
}

Result<SandboxRow> ReadSandbox(const Database::Row& row) {
  SandboxRow out;
  out.id = SandboxId(row.Text(0));
  out.state = static_cast<SandboxState>(row.Int(1));
  out.created_at_ns = row.Int(2);
  out.handler = row.Text(3);
  out.requested_handler = row.Text(4);
  if (!out.config.ParseFromString(row.Text(5))) return Damaged("sandbox", out.id.str());
  std::vector<std::string> ips = SplitComma(row.Text(6));
  if (!ips.empty()) {
    out.addresses.primary = ips.front();
    out.addresses.additional.assign(ips.begin() + 1, ips.end());
  }
  out.init.monitor_pid = static_cast<pid_t>(row.Int(7));
  out.init.container_pid = static_cast<pid_t>(row.Int(8));
  out.init.container_start_time = static_cast<uint64_t>(row.Int(9));
  out.selinux_level = row.Text(10);
  return out;
}

Result<ContainerRow> ReadContainer(const Database::Row& row) {
  ContainerRow out;
  out.id = ContainerId(row.Text(0));
  out.sandbox = SandboxId(row.Text(1));
  out.state = static_cast<ContainerState>(row.Int(2));
  out.created_at_ns = row.Int(3);
  out.started_at_ns = row.Int(4);
  out.finished_at_ns = row.Int(5);
  out.exit_code = static_cast<int>(row.Int(6));
  out.reason = row.Text(7);
  out.message = row.Text(8);
  out.image_id = row.Text(9);
  out.image_ref = row.Text(10);
  out.image_name = row.Text(11);
  out.stop_signal = static_cast<int>(row.Int(12));
  out.user.uid = static_cast<uint32_t>(row.Int(13));
  out.user.gid = static_cast<uint32_t>(row.Int(14));
  for (const std::string& group : SplitComma(row.Text(15))) {
    uint32_t gid = 0;
    std::from_chars(group.data(), group.data() + group.size(), gid);
    out.user.additional_gids.push_back(gid);
  }
  if (!out.config.ParseFromString(row.Text(16)) || !out.resources.ParseFromString(row.Text(17))) {
    return Damaged("container", out.id.str());
  }
  out.process.monitor_pid = static_cast<pid_t>(row.Int(18));
  out.process.container_pid = static_cast<pid_t>(row.Int(19));
  out.process.container_start_time = static_cast<uint64_t>(row.Int(20));
  out.image_volume_ids = SplitComma(row.Text(21));
  return out;
}

}  // namespace

Result<std::unique_ptr<StateDb>> StateDb::Open(const std::string& path) {
  auto db = CRISP_TRY(Database::Open(path, Durability::kNormal, kMigrations));
  return std::unique_ptr<StateDb>(new StateDb(std::move(db)));
}

Status StateDb::Put(const SandboxRow& row) {
  std::vector<std::string> ips;
  if (!row.addresses.primary.empty()) ips.push_back(row.addresses.primary);
  ips.insert(ips.end(), row.addresses.additional.begin(), row.addresses.additional.end());
  const std::string joined = Join(ips);
  const std::string config = row.config.SerializeAsString();
  return db_->Execute("INSERT OR REPLACE INTO sandboxes VALUES(?,?,?,?,?,?,?,?,?,?,?)",
                      {row.id.str(), static_cast<int64_t>(row.state), row.created_at_ns,
                       row.handler, row.requested_handler, Database::Blob{config}, joined,
                       int64_t{row.init.monitor_pid}, int64_t{row.init.container_pid},
                       static_cast<int64_t>(row.init.container_start_time), row.selinux_level});
}

Status StateDb::Put(const ContainerRow& row) {
  const std::string groups = Join(row.user.additional_gids);
  const std::string config = row.config.SerializeAsString();
  const std::string resources = row.resources.SerializeAsString();
  const std::string image_volumes = Join(row.image_volume_ids);
  return db_->Execute(
      "INSERT OR REPLACE INTO containers VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
      {row.id.str(),
       row.sandbox.str(),
       static_cast<int64_t>(row.state),
       row.created_at_ns,
       row.started_at_ns,
       row.finished_at_ns,
       int64_t{row.exit_code},
       row.reason,
       row.message,
       row.image_id,
       row.image_ref,
       row.image_name,
       int64_t{row.stop_signal},
       int64_t{row.user.uid},
       int64_t{row.user.gid},
       groups,
       Database::Blob{config},
       Database::Blob{resources},
       int64_t{row.process.monitor_pid},
       int64_t{row.process.container_pid},
       static_cast<int64_t>(row.process.container_start_time),
       image_volumes});
}

Status StateDb::Delete(const SandboxId& id) {
  return db_->Execute("DELETE FROM sandboxes WHERE id=?", {id.str()});
}

Status StateDb::Delete(const ContainerId& id) {
  return db_->Execute("DELETE FROM containers WHERE id=?", {id.str()});
}

Result<std::vector<SandboxRow>> StateDb::Sandboxes() {
  std::vector<SandboxRow> out;
  CRISP_RETURN_IF_ERROR(
      db_->Execute("SELECT * FROM sandboxes ORDER BY created_at", {}, [&](const auto& row) {
        out.push_back(CRISP_TRY(ReadSandbox(row)));
        return OkStatus();
      }));
  return out;
}

Result<std::vector<ContainerRow>> StateDb::Containers() {
  std::vector<ContainerRow> out;
  CRISP_RETURN_IF_ERROR(
      db_->Execute("SELECT * FROM containers ORDER BY created_at", {}, [&](const auto& row) {
        out.push_back(CRISP_TRY(ReadContainer(row)));
        return OkStatus();
      }));
  return out;
}

Result<std::string> StateDb::BootId() {
  std::string out;
  CRISP_RETURN_IF_ERROR(
      db_->Execute("SELECT value FROM meta WHERE key='boot_id'", {}, [&](const Database::Row& row) {
        out = row.Text(0);
        return OkStatus();
      }));
  return out;
}

Status StateDb::SetBootId(const std::string& boot_id) {
  return db_->Execute("INSERT OR REPLACE INTO meta VALUES('boot_id',?)", {boot_id});
}

}  // namespace crisp::pod
