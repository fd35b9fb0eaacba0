// What the tests of sessions stand on: the streaming thread's loop in the test's own thread, and a
// client that exists in memory.
#ifndef CRISP_TESTS_UNIT_STREAMING_SESSION_FIXTURES_H_
#define CRISP_TESTS_UNIT_STREAMING_SESSION_FIXTURES_H_

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/core/file.h"
#include "server/streaming/channels.h"
#include "server/streaming/reactor.h"

namespace crisp::streaming {

// What a client sees and does; outlives its Channels.
struct FakeClient {
  explicit FakeClient(Io* loop) : io(loop) {}

  Io* io;
  ErrorFormat format = ErrorFormat::kStatus;
  std::map<Channel, std::string> received;
  // "finish stdout", "close", "gone", in order.
  std::vector<std::string> events;
  bool reads = true;  // false: what is sent stays on its way
  size_t send_limit = std::numeric_limits<size_t>::max();
  bool paused = false;
  int pauses = 0;
  Channels::Observer* observer = nullptr;
  std::vector<std::function<void()>> on_the_way;

  void ReadAgain() {
    reads = true;
    for (auto& call : std::exchange(on_the_way, {})) Post(io, std::move(call));
  }
  // How much was taken.
  size_t Sends(Channel channel, std::string_view data) { return observer->OnData(channel, data); }
  void Ends(Channel channel) { observer->OnInputEnd(channel); }
  void Vanishes() {
    reads = false;
    on_the_way.clear();
    observer->OnClosed(Unavailable("cut"));
  }
  bool gone() const { return !events.empty() && events.back() == "gone"; }
};

inline std::string NameOf(Channel channel) {
  switch (channel) {
    case Channel::kStdin:
      return "stdin";
    case Channel::kStdout:
      return "stdout";
    case Channel::kStderr:
      return "stderr";
    case Channel::kError:
      return "error";
    case Channel::kResize:
      return "resize";
    case Channel::kData:
      return "data";
  }
  return "?";
}

class FakeChannels final : public Channels {
 public:
  explicit FakeChannels(FakeClient* client) : client_(client) {}
  ~FakeChannels() override { client_->events.push_back("gone"); }

  void Start(Observer* observer) override { client_->observer = observer; }
  void Send(Channel channel, std::string_view data, std::function<void(Status)> sent) override {
    EXPECT_FALSE(std::exchange(busy_[channel], true)) << "a second Send on " << NameOf(channel);
    auto call = [this, client = client_, channel, data, sent = std::move(sent)] {
      client->received[channel].append(data);
      if (client->gone()) return;
      busy_[channel] = false;
      sent(OkStatus());
    };
    if (client_->reads) return Post(client_->io, std::move(call));
    client_->on_the_way.push_back(std::move(call));
  }
  void Finish(Channel channel) override {
    EXPECT_FALSE(busy_[channel]) << "Finish before what was sent on " << NameOf(channel);
    client_->events.push_back("finish " + NameOf(channel));
  }
  size_t SendLimit() const override { return client_->send_limit; }
  void PauseInput() override {
    EXPECT_FALSE(std::exchange(client_->paused, true));
    ++client_->pauses;
  }
  void ResumeInput() override { EXPECT_TRUE(std::exchange(client_->paused, false)); }
  ErrorFormat error_format() const override { return client_->format; }
  void Close() override { client_->events.push_back("close"); }

 private:
  FakeClient* const client_;
  std::map<Channel, bool> busy_;
};

class SessionTest : public testing::Test {
 protected:
  SessionTest() { ::signal(SIGPIPE, SIG_IGN); }
  // A session owns itself until its end.
  void TearDown() override {
    if (client_.observer != nullptr && !client_.gone()) client_.Vanishes();
  }

  // Runs the loop until `done`, at most five seconds; what `done` was last.
  bool RunUntil(const std::function<bool()>& done, Duration limit = std::chrono::seconds(5)) {
    const MonoTime end = MonoNow() + limit;
    while (!done()) {
      if (MonoNow() > end) return false;
      io_.restart();
      io_.run_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  void RunFor(Duration time) {
    (void)RunUntil([] { return false; }, time);
  }

  static FdPair NonBlockingPipe() {
    auto pipe = MakePipe(O_NONBLOCK);
    EXPECT_TRUE(pipe.ok());
    return *std::move(pipe);
  }
  static int Pending(int fd) {
    int bytes = 0;
    EXPECT_EQ(::ioctl(fd, FIONREAD, &bytes), 0);
    return bytes;
  }
  // What can be read at once.
  static std::string ReadNow(int fd) {
    std::string out(1 << 20, '\0');
    const ssize_t n = ::read(fd, out.data(), out.size());
    out.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return out;
  }
  // Fills a non-blocking pipe; how much it took.
  static size_t Fill(int fd, char with) {
    const std::string chunk(65536, with);
    size_t total = 0;
    for (ssize_t n; (n = ::write(fd, chunk.data(), chunk.size())) > 0;) {
      total += static_cast<size_t>(n);
    }
    return total;
  }

  boost::asio::io_context io_;
  FakeClient client_{&io_};
};

}  // namespace crisp::streaming

#endif  // CRISP_TESTS_UNIT_STREAMING_SESSION_FIXTURES_H_
