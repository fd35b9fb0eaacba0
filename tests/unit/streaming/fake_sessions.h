// Sessions without pods: what a test's server begins when channels are open.
#ifndef CRISP_TESTS_UNIT_STREAMING_FAKE_SESSIONS_H_
#define CRISP_TESTS_UNIT_STREAMING_FAKE_SESSIONS_H_

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "server/streaming/streaming_server.h"
#include "test_client.h"

namespace crisp::streaming {

inline constexpr char kSuccess[] = "{\"metadata\":{},\"status\":\"Success\"}";

// What the sessions of one server have seen. Any thread.
class SessionLog {
 public:
  void Add(const std::string& what, size_t n = 1);
  size_t Get(const std::string& what) const;
  // False after ten seconds.
  bool Await(const std::string& what, size_t n = 1);
  void AddText(const std::string& what, std::string_view text);
  std::string Text(const std::string& what) const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, size_t> counts_;
  std::map<std::string, std::string> texts_;
};

// Exec by cmd[0]: "hello" (stdout hello, stderr oops, Success), "echo" (stdin to stdout until its
// end), "flood" (cmd[1] bytes of Pattern to stdout), "sink" (stdin counted until its end, then its
// checksum to stdout), "stuck" (PauseInput, and nothing more until the client leaves), "drop" (ends
// without Close), "fail" (an error text). Attach: echo. A forwarded connection: echo; port 1: error
// text and no Close; port 2: stuck; port 3: flood of 8 MiB, in pieces of SendLimit.
Starters FakeStarters(SessionLog* log);

// Byte i of the flood.
std::string Pattern(uint64_t from, size_t size);
// FNV-1a, of parts in a row.
uint64_t Checksum(std::string_view bytes, uint64_t so_far = 1469598103934665603u);

class StreamingServerTest : public ::testing::Test {
 protected:
  ~StreamingServerTest() override;
  // Before the first use, or the defaults are used.
  void Open();
  StreamingServer& server();
  std::string ExecUrl(std::vector<std::string> command, bool tty = false, bool input = true);
  std::string ForwardUrl(std::vector<int> ports = {});
  size_t Refused(const std::string& reason);
  int64_t ActiveSessions();
  uint64_t BytesIn();
  bool AwaitNoSessions();

  Telemetry telemetry_;
  SessionLog log_;
  Options options_;
  std::unique_ptr<StreamingServer> server_;
};

}  // namespace crisp::streaming

#endif  // CRISP_TESTS_UNIT_STREAMING_FAKE_SESSIONS_H_
