// Server: the gRPC server on the unix socket. Its source file alone includes gRPC.
//
// Contract: cri-contract section 1. RuntimeService, ImageService and crisp's own Admin on one
//           socket, callback API: no thread waits for a call.
// Threads:  Open and Shutdown from the main thread.
// After a failed Open nothing listens and the socket file is gone.
#ifndef CRISP_SERVER_RPC_SERVER_H_
#define CRISP_SERVER_RPC_SERVER_H_

#include <memory>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/telemetry.h"
#include "server/config/config.h"
#include "server/rpc/backend.h"

namespace crisp::rpc {

class Server {
 public:
  // Makes the socket's directory where it is missing. A stale socket is replaced; a socket that
  // somebody serves is kAlreadyExists.
  static Result<std::unique_ptr<Server>> Open(const config::Socket& socket, Backend backend,
                                              Telemetry* telemetry);
  ~Server();

  // No new calls; running ones may end until `grace`, then they are cancelled. Returns when all
  // have ended.
  void Shutdown(MonoTime grace);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace crisp::rpc

#endif  // CRISP_SERVER_RPC_SERVER_H_
