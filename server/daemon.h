// Daemon: the composition root. Builds every object bottom-up, wires them, takes them down again.
//
// What:    locks, reaper, loop, telemetry, cgroups, runtimes, network, images, pods, gRPC, metrics.
//          There are no singletons: what an object needs it gets here.
// Threads: Open, Reload and Stop from the main thread, which holds SIGCHLD, SIGTERM, SIGINT and
//          SIGHUP blocked. Afterwards these run: the loop, gRPC's, and what lanes make on demand.
// After a failed Open everything that was built is gone, containers of an earlier daemon run on.
#ifndef CRISP_SERVER_DAEMON_H_
#define CRISP_SERVER_DAEMON_H_

#include <memory>
#include <string>

#include "base/core/result.h"
#include "server/config/config.h"
#include "server/config/load.h"
#include "server/logging.h"

namespace crisp {

class Daemon {
 public:
  // Returns when the socket is served, which is after recovery.
  static Result<std::unique_ptr<Daemon>> Open(config::Config config, Logging* logging);
  ~Daemon();

  // Makes the reloadable settings of `next` effective: all, or none and an error. Settings that
  // need a restart keep their values; those that differ are logged.
  Status Reload(const config::Config& next);
  // Ends calls (within timeouts.shutdown) and threads. Containers run on. A part that does not come
  // to an end is cut off: the process exits, which is as safe as being killed.
  void Stop();

 private:
  struct Parts;
  explicit Daemon(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace crisp

#endif  // CRISP_SERVER_DAEMON_H_
