#include "fake_sessions.h"

#include <algorithm>
#include <thread>

namespace crisp::streaming {
namespace {

constexpr size_t kBlock = 256 << 10;

// Owns itself, as the real ones do.
class FakeSession final : public Channels::Observer {
 public:
  FakeSession(SessionLog* log, std::string mode, uint64_t size, Channel out,
              std::unique_ptr<Channels> channels, std::function<void()> ended)
      : log_(log),
        mode_(std::move(mode)),
        left_(size),
        out_(out),
        channels_(std::move(channels)),
        ended_(std::move(ended)) {}

  void Begin() {
    log_->Add("begun");
    channels_->Start(this);
    if (mode_ == "stuck") channels_->PauseInput();
    if (mode_ == "flood") Flood();
    if (mode_ == "drop") return End(false);  // deletes this
    if (mode_ == "fail" || mode_ == "hello") Say();
  }

  size_t OnData(Channel channel, std::string_view data) override {
    log_->Add(channel == Channel::kResize ? "resize_bytes" : "input_bytes", data.size());
    if (channel == Channel::kResize) log_->AddText("resize", data);
    if (channel == Channel::kResize) return data.size();
    if (mode_ == "sink") checksum_ = Checksum(data, checksum_);
    if (mode_ == "echo") {
      waiting_ += data;
      Echo();
    }
    return data.size();
  }
  void OnInputEnd(Channel) override {
    log_->Add("input_end");
    input_ended_ = true;
    if (mode_ == "sink") {
      buffer_ = std::to_string(checksum_);
      channels_->Send(out_, buffer_, [this](const Status&) { Conclude(); });
    }
    if (mode_ == "echo") Echo();
  }
  void OnClosed(const Status& why) override {
    log_->AddText("closed", why.message());
    log_->Add("closed");
    End(false);
  }

 private:
  void Echo() {
    if (sending_) return channels_->PauseInput();
    if (waiting_.empty()) {
      if (input_ended_) return Conclude();
      return channels_->ResumeInput();
    }
    sending_ = true;
    buffer_ = std::exchange(waiting_, {});
    channels_->Send(out_, buffer_, [this](const Status& sent) {
      sending_ = false;
      if (sent.ok()) Echo();
    });
  }

  void Flood() {
    const size_t n = std::min<uint64_t>(left_, std::min(kBlock, channels_->SendLimit()));
    buffer_ = Pattern(offset_, n);
    offset_ += n;
    left_ -= n;
    if (n == 0) return Conclude();
    log_->Add("given_bytes", n);
    channels_->Send(out_, buffer_, [this, n](const Status& sent) {
      log_->Add("sends");
      log_->Add("sent_bytes", n);
      if (sent.ok()) Flood();
    });
  }

  void Say() {
    if (mode_ == "fail") {
      buffer_ = "it does not work";
      return channels_->Send(Channel::kError, buffer_, [this](const Status&) {
        channels_->Finish(Channel::kError);
        End(false);
      });
    }
    buffer_ = "hello";
    error_ = "oops";
    channels_->Send(Channel::kStderr, error_, [](const Status&) {});
    channels_->Send(out_, buffer_, [this](const Status&) { Conclude(); });
  }

  // streaming.md section 6.5.
  void Conclude() {
    channels_->Finish(out_);
    channels_->Finish(Channel::kStderr);
    if (channels_->error_format() == ErrorFormat::kText) return End(true);
    error_ = kSuccess;
    channels_->Send(Channel::kError, error_, [this](const Status&) { End(true); });
  }

  void End(bool good) {
    if (good) {
      channels_->Finish(Channel::kError);
      channels_->Close();
    }
    channels_.reset();
    log_->Add("ended");
    const auto ended = std::move(ended_);
    delete this;
    ended();
  }

  SessionLog* const log_;
  const std::string mode_;
  uint64_t left_;
  const Channel out_;
  std::unique_ptr<Channels> channels_;
  std::function<void()> ended_;
  std::string waiting_;
  std::string buffer_;
  std::string error_;
  uint64_t offset_ = 0;
  uint64_t checksum_ = Checksum("");
  bool sending_ = false;
  bool input_ended_ = false;
};

}  // namespace

void SessionLog::Add(const std::string& what, size_t n) {
  std::lock_guard lock(mutex_);
  counts_[what] += n;
  changed_.notify_all();
}

size_t SessionLog::Get(const std::string& what) const {
  std::lock_guard lock(mutex_);
  const auto it = counts_.find(what);
  return it == counts_.end() ? 0 : it->second;
}

bool SessionLog::Await(const std::string& what, size_t n) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return counts_[what] >= n; });
}

void SessionLog::AddText(const std::string& what, std::string_view text) {
  std::lock_guard lock(mutex_);
  texts_[what] += text;
}

std::string SessionLog::Text(const std::string& what) const {
  std::lock_guard lock(mutex_);
  const auto it = texts_.find(what);
  return it == texts_.end() ? "" : it->second;
}

std::string Pattern(uint64_t from, size_t size) {
  static const std::string table = [] {
    std::string out;
    for (size_t i = 0; i < 251 + kBlock; ++i) out.push_back(static_cast<char>(i % 251));
    return out;
  }();
  std::string out;
  while (size > 0) {
    const size_t n = std::min(size, kBlock);
    out.append(table, from % 251, n);
    from += n;
    size -= n;
  }
  return out;
}

uint64_t Checksum(std::string_view bytes, uint64_t so_far) {
  for (const char c : bytes) so_far = (so_far ^ static_cast<uint8_t>(c)) * 1099511628211u;
  return so_far;
}

Starters FakeStarters(SessionLog* log) {
  Starters out;
  out.exec = [log](const SessionContext&, runtime::v1::ExecRequest request,
                   std::unique_ptr<Channels> channels, std::function<void()> ended) {
    const uint64_t size = request.cmd_size() > 1 ? std::stoull(request.cmd(1)) : 0;
    (new FakeSession(log, request.cmd(0), size, Channel::kStdout, std::move(channels),
                     std::move(ended)))
        ->Begin();
  };
  out.attach = [log](const SessionContext&, runtime::v1::AttachRequest,
                     std::unique_ptr<Channels> channels, std::function<void()> ended) {
    (new FakeSession(log, "echo", 0, Channel::kStdout, std::move(channels), std::move(ended)))
        ->Begin();
  };
  out.forward = [log](const SessionContext&, const std::string& sandbox, uint16_t port,
                      std::unique_ptr<Channels> channels, std::function<void()> ended) {
    log->AddText("sandbox", sandbox);
    const char* const mode = port == 1   ? "fail"
                             : port == 2 ? "stuck"
                             : port == 3 ? "flood"
                                         : "echo";
    (new FakeSession(log, mode, 8 << 20, Channel::kData, std::move(channels), std::move(ended)))
        ->Begin();
  };
  return out;
}

StreamingServerTest::~StreamingServerTest() {
  if (server_ != nullptr) server_->Shutdown(MonoNow() + std::chrono::seconds(5));
}

void StreamingServerTest::Open() {
  options_.starters = FakeStarters(&log_);
  options_.telemetry = &telemetry_;
  auto opened = StreamingServer::Open(options_);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  server_ = std::move(*opened);
}

StreamingServer& StreamingServerTest::server() {
  if (server_ == nullptr) Open();
  return *server_;
}

std::string StreamingServerTest::ExecUrl(std::vector<std::string> command, bool tty, bool input) {
  runtime::v1::ExecRequest request;
  request.set_container_id("c");
  for (std::string& word : command) request.add_cmd(std::move(word));
  request.set_stdin(input);
  request.set_stdout(true);
  request.set_stderr(!tty);
  request.set_tty(tty);
  const auto url = server().MakeUrl(std::move(request));
  EXPECT_TRUE(url.ok()) << url.status().ToString();
  return url.ok() ? *url : "";
}

std::string StreamingServerTest::ForwardUrl(std::vector<int> ports) {
  runtime::v1::PortForwardRequest request;
  request.set_pod_sandbox_id("pod");
  for (const int port : ports) request.add_port(port);
  const auto url = server().MakeUrl(std::move(request));
  EXPECT_TRUE(url.ok()) << url.status().ToString();
  return url.ok() ? *url : "";
}

size_t StreamingServerTest::Refused(const std::string& reason) {
  return telemetry_
      .GetCounter("crisp_streaming_refused_total", "Streaming requests that were refused",
                  {{"reason", reason}})
      .value();
}

int64_t StreamingServerTest::ActiveSessions() {
  int64_t out = 0;
  telemetry_.Collect(
      [&](const std::string& name, const std::string&, const Labels&, const auto& metric) {
        if constexpr (std::is_same_v<std::decay_t<decltype(metric)>, Gauge>) {
          if (name == "crisp_streaming_sessions_active") out += metric.value();
        }
      });
  return out;
}

uint64_t StreamingServerTest::BytesIn() {
  return telemetry_.GetCounter("crisp_streaming_bytes_total", "", {{"direction", "in"}}).value();
}

bool StreamingServerTest::AwaitNoSessions() {
  for (int i = 0; i < 1000; ++i) {
    if (ActiveSessions() == 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace crisp::streaming
