// TlsContext: the server's certificate and what it asks of clients; makes encrypted Wires.
//
// Contract: TLS 1.2 at least; no session resumption, so that a client certificate is looked at
//           every time. Files are PEM and are read again when they change.
// Threads:  any.
// After a failed Reload the certificate of before stays in use.
#ifndef CRISP_SERVER_STREAMING_TLS_CONTEXT_H_
#define CRISP_SERVER_STREAMING_TLS_CONTEXT_H_

#include <memory>

#include "base/core/result.h"
#include "server/streaming/streaming_server.h"
#include "server/streaming/wire.h"

namespace crisp::streaming {

class TlsContext {
 public:
  static Result<std::unique_ptr<TlsContext>> Open(TlsFiles files);
  ~TlsContext();

  Status Reload();
  // Reads the files again if they are not those of the last time. Failures go to the log.
  Result<std::unique_ptr<Wire>> MakeWire(UniqueFd socket);

 private:
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_TLS_CONTEXT_H_
