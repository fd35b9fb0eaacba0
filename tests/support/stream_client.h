// StreamClient: a client of streaming URLs as crictl is one, over TCP and SPDY.
//
// What:     connects, upgrades, opens the streams of a request one by one, sends and reads.
//           StdioClient on top: the streams of an exec or attach.
// Contract: streaming.md sections 4 to 7.
// Threads:  one for each object. Waiting functions read what comes until their condition holds.
// Errors:   what the server did wrong is written to stderr, beside the caller's "it did not work".
#ifndef CRISP_TESTS_SUPPORT_STREAM_CLIENT_H_
#define CRISP_TESTS_SUPPORT_STREAM_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "tests/support/cri_client.h"
#include "tests/support/spdy_client.h"

namespace crisp::test {

class StreamClient {
 public:
  static constexpr Duration kLimit = std::chrono::seconds(20);

  // `url`: http://address:port/path. kUnavailable with the server's answer when it is not a 101.
  static Result<std::unique_ptr<StreamClient>> Connect(const std::string& url,
                                                       const std::string& protocol);

  SpdyClient& spdy() { return spdy_; }
  int fd() const { return socket_.get(); }
  bool closed() const { return closed_; }
  // As a client that was killed.
  void Cut() { socket_.Reset(); }

  // Opens a stream and waits for its reply.
  Result<spdy::StreamId> OpenStream(const SpdyHeaders& headers, bool fin = false);
  // Sends what the SPDY client has in hand and reads until `done`; false when it never is.
  bool RunUntil(const std::function<bool()>& done, Duration limit = kLimit);
  // As far as the socket takes it.
  bool Flush();

 private:
  StreamClient() = default;
  Status Upgrade(const std::string& host, const std::string& path, const std::string& protocol);
  bool ReadSome();

  UniqueFd socket_;
  SpdyClient spdy_;
  std::string unsent_;
  size_t sent_ = 0;
  bool closed_ = false;
};

struct Stdio {
  bool in = false;
  bool out = true;
  bool err = true;
  bool tty = false;
};

// Of an Exec in this container.
Result<std::string> ExecUrl(CriClient* client, const std::string& container,
                            const std::vector<std::string>& command, Stdio stdio);

class StdioClient {
 public:
  // A failed Open is the caller's failure: see ok().
  StdioClient(const Result<std::string>& url, Stdio stdio,
              const std::string& protocol = "v4.channel.k8s.io");
  bool ok() const { return client_ != nullptr; }
  StreamClient& connection() { return *client_; }

  // Sent as far as the socket takes it; the rest with the next wait.
  void Send(std::string_view data);
  void EndInput();
  void Resize(int columns, int rows);
  // Everything that has come on that stream and was not taken.
  std::string out() { return client_->spdy().stream(out_).data; }
  std::string err() { return client_->spdy().stream(err_).data; }
  // Takes it, so that large transfers need no memory.
  std::string TakeOut() { return client_->spdy().TakeData(out_); }
  // Waits until stdout holds `text`.
  bool AwaitOut(std::string_view text);
  // Waits until outputs, error stream and connection have ended, in the right way.
  bool AwaitEnd(Duration limit = StreamClient::kLimit);
  // The document, or text, on the error stream.
  std::string status() { return client_->spdy().stream(error_).data; }
  // 0 for success, N for "NonZeroExitCode"; -1 for anything else.
  int exit_code();

 private:
  Status Open(const std::string& url, const std::string& protocol);

  const Stdio stdio_;
  std::unique_ptr<StreamClient> client_;
  spdy::StreamId error_ = 0, in_ = 0, out_ = 0, err_ = 0, resize_ = 0;
};

// FNV-1a, 64 bit: for comparing large transfers.
uint64_t Checksum(std::string_view data, uint64_t before = 14695981039346656037u);

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_STREAM_CLIENT_H_
