// StateDb: pods.db, the only place where sandboxes and containers survive the daemon.
//
// Persistence: SQLite, WAL, synchronous NORMAL (pods die with the node's power). Schema version 3:
//           meta(key, value): "boot_id".
//           sandboxes(id, state, created_at, handler, requested_handler, config, ips, monitor_pid,
//             init_pid, init_start, selinux_level): `config` is the CRI's PodSandboxConfig in its
//             wire format, which is versioned by its field numbers; `ips` are addresses joined by
//             ",".
//           containers(id, sandbox, state, created_at, started_at, finished_at, exit_code, reason,
//             message, image_id, image_ref, image_name, stop_signal, uid, gid, groups, config,
//             resources, monitor_pid, pid, pid_start, image_volumes): likewise.
// Threads:  any; serialised by Database.
// A row is committed before the first side effect and deleted after the last undo.
#ifndef CRISP_POD_STATE_DB_H_
#define CRISP_POD_STATE_DB_H_

#include <memory>
#include <string>
#include <vector>

#include "base/database.h"
#include "pod/container.h"
#include "pod/sandbox.h"

namespace crisp::pod {

class StateDb {
 public:
  static Result<std::unique_ptr<StateDb>> Open(const std::string& path);

  Status Put(const SandboxRow& row);  // inserts or replaces
  Status Put(const ContainerRow& row);
  Status Delete(const SandboxId& id);
  Status Delete(const ContainerId& id);
  Result<std::vector<SandboxRow>> Sandboxes();
  Result<std::vector<ContainerRow>> Containers();

  // The kernel's boot id at the last start; empty in a new database.
  Result<std::string> BootId();
  Status SetBootId(const std::string& boot_id);

 private:
  explicit StateDb(std::unique_ptr<Database> db) : db_(std::move(db)) {}
  std::unique_ptr<Database> db_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_STATE_DB_H_
