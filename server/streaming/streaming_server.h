// StreamingServer: the HTTP server behind the URLs of Exec, Attach and PortForward.
//
// What:     hands out one-time URLs, takes the connections that come to them, upgrades these to
//           SPDY/3.1 or WebSocket and starts the session that was asked for.
// Contract: streaming.md sections 2 to 5 and 8 to 11.
// Threads:  one of its own ("streaming") for everything on connections. MakeUrl and
//           ReloadCertificates from any thread; Open and Shutdown from one.
// Persistence: none; tokens and sessions end with the daemon.
// After a failed Open nothing is left. A connection that fails hurts no other.
#ifndef CRISP_SERVER_STREAMING_STREAMING_SERVER_H_
#define CRISP_SERVER_STREAMING_STREAMING_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/telemetry.h"
#include "cri-api/api.pb.h"
#include "server/streaming/channels.h"
#include "server/streaming/sessions.h"

namespace crisp::streaming {

// PEM files. Without a certificate connections are not encrypted.
struct TlsFiles {
  std::string certificate;  // the chain, the server's own first
  std::string key;
  std::string client_ca;  // empty: any client; else only clients with a certificate of these
};

// What begins when a client's channels are open: the functions of sessions.h. Tests bring others.
struct Starters {
  std::function<void(const SessionContext&, runtime::v1::ExecRequest, std::unique_ptr<Channels>,
                     std::function<void()> ended)>
      exec;
  std::function<void(const SessionContext&, runtime::v1::AttachRequest, std::unique_ptr<Channels>,
                     std::function<void()> ended)>
      attach;
  std::function<void(const SessionContext&, const std::string& sandbox_id, uint16_t port,
                     std::unique_ptr<Channels>, std::function<void()> ended)>
      forward;
};

struct Options {
  std::string address = "127.0.0.1:0";  // IP:port; port 0: any free one
  TlsFiles tls;
  size_t max_sessions = 1000;  // upgraded connections at a time
  size_t max_waiting = 128;    // connections without a whole request; then the oldest is closed
  size_t max_header_bytes = 64 << 10;
  Duration request_deadline = std::chrono::seconds(30);  // TLS handshake and request
  Duration streams_deadline = std::chrono::seconds(30);  // until all streams are there
  Duration idle_timeout = std::chrono::hours(4);
  Duration drain = std::chrono::seconds(2);  // for the client's end of a closed connection

  size_t max_tokens = 1000;
  Duration token_life = std::chrono::minutes(1);
  std::function<MonoTime()> token_clock = MonoNow;

  Starters starters;
  pod::PodService* pods = nullptr;  // for the sessions only
  Telemetry* telemetry = nullptr;
};

class StreamingServer {
 public:
  // Listens, and serves at once.
  static Result<std::unique_ptr<StreamingServer>> Open(Options options);
  ~StreamingServer();

  // A URL that is good for one connection within token_life. kResourceExhausted: too many are out;
  // kUnavailable: shut down. Does not look at the request.
  Result<std::string> MakeUrl(runtime::v1::ExecRequest request);
  Result<std::string> MakeUrl(runtime::v1::AttachRequest request);
  Result<std::string> MakeUrl(runtime::v1::PortForwardRequest request);

  // Reads the TLS files again, for connections that come from now on. After a failure the old ones
  // stay in use. Changed files are also noticed when a client connects.
  Status ReloadCertificates();

  // Ends all sessions: gracefully until `deadline`, then at once. No thread runs afterwards; the
  // io_context of the sessions lives on until the destructor.
  void Shutdown(MonoTime deadline);

  uint16_t port() const;

 private:
  class Impl;
  explicit StreamingServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_STREAMING_SERVER_H_
