// A streamed exec: a command whose stdio are a client's channels (streaming.md sections 6.3 to
// 6.5).
//
//   all channels there ──> [terminal: its first size, or kFirstSize] ──> OpenExec ──> copying
//       exit ──> outputs drained ──> document, Close
//       client leaves ──> the command runs on, without input
#include <sys/ioctl.h>

#include <utility>

#include "base/log.h"
#include "server/streaming/session_output.h"
#include "server/streaming/status_document.h"
#include "server/streaming/stdio_session.h"

namespace crisp::streaming {
namespace {

namespace v1 = ::runtime::v1;

// Clients send the size of their terminal at once. A command that knows it from its first
// instruction on needs no luck with SIGWINCH.
constexpr auto kFirstSize = std::chrono::milliseconds(10);
constexpr std::string_view kFailure = "error executing command in container";

class ExecSession final : public StdioSession {
 public:
  ExecSession(const SessionContext& context, v1::ExecRequest request,
              std::unique_ptr<Channels> channels, std::function<void()> ended)
      : StdioSession(context, std::move(channels), std::move(ended)),
        request_(std::move(request)),
        first_size_(context.io) {
    wanted_ = {request_.stdin(), request_.stdout(), request_.stderr() && !request_.tty(),
               request_.tty()};
  }

  Result<size_t> WriteInput(std::string_view data) override {
    return WriteSome(streams_->terminal ? streams_->terminal.get() : streams_->stdin_fd.get(),
                     data);
  }
  // A terminal is not hung up: its client may only have closed its own input.
  bool EndInput() override {
    if (!streams_->terminal) {
      stdin_watch_.reset();
      streams_->stdin_fd.Reset();
    }
    return true;
  }

 private:
  void Open() override {
    if (!wanted_.terminal) return OpenExec();
    first_size_.Start(kFirstSize, [weak = Weak<ExecSession>()] {
      if (const auto self = weak.lock()) self->OpenExec();
    });
  }

  void OpenExec() {
    if (!active() || std::exchange(opening_, true)) return;
    first_size_.Cancel();
    // Shared: a std::function's content can be copied.
    using Opened = Result<std::unique_ptr<pod::ExecStreams>>;
    context_.pods->OpenExec(request_, size_, cancel_.token(),
                            [io = context_.io, weak = Weak<ExecSession>()](Opened result) {
                              auto opened = std::make_shared<Opened>(std::move(result));
                              Post(io, [weak, opened] {
                                const auto self = weak.lock();
                                if (self) self->OnOpened(std::move(*opened));
                              });
                            });
  }

  void OnOpened(Result<std::unique_ptr<pod::ExecStreams>> result) {
    if (!active()) return;  // what was started runs on
    if (!result.ok()) return Fail(result.status());
    streams_ = *std::move(result);
    if (size_.columns > 0) OnResize(size_);  // it may be newer than that of the start
    if (Status status = StartCopying(); !status.ok()) return Fail(status);
    streams_->OnExit([io = context_.io, weak = Weak<ExecSession>()](int exit_code) {
      Post(io, [weak, exit_code] {
        if (const auto self = weak.lock()) self->OnExit(exit_code);
      });
    });
    MaybeEnd();
  }

  Status StartCopying() {
    if (streams_->terminal) {
      stdout_watch_ = CRISP_TRY(SocketWatch::Create(context_.io, streams_->terminal.get()));
      // Also unasked for: a terminal that nobody reads blocks the command.
      stdout_ = Pump(streams_->terminal.get(), stdout_watch_.get(), Channel::kStdout);
      if (wanted_.stdin_open) input_->Open(this, stdout_watch_.get());
      return OkStatus();
    }
    if (streams_->stdout_fd) {
      stdout_watch_ = CRISP_TRY(SocketWatch::Create(context_.io, streams_->stdout_fd.get()));
      stdout_ = Pump(streams_->stdout_fd.get(), stdout_watch_.get(), Channel::kStdout);
    }
    if (streams_->stderr_fd) {
      stderr_watch_ = CRISP_TRY(SocketWatch::Create(context_.io, streams_->stderr_fd.get()));
      stderr_ = Pump(streams_->stderr_fd.get(), stderr_watch_.get(), Channel::kStderr);
    }
    if (streams_->stdin_fd) {
      stdin_watch_ = CRISP_TRY(SocketWatch::Create(context_.io, streams_->stdin_fd.get()));
      input_->Open(this, stdin_watch_.get());
    }
    return OkStatus();
  }

  std::shared_ptr<OutputPump> Pump(int fd, SocketWatch* watch, Channel channel) {
    auto pump = std::make_shared<OutputPump>(context_.io, fd, watch, channels_.get(), channel,
                                             [weak = Weak<ExecSession>(), channel] {
                                               const auto self = weak.lock();
                                               if (!self) return;
                                               self->FinishOutput(channel);
                                               self->MaybeEnd();
                                             });
    pump->Start();
    return pump;
  }

  void OnExit(int exit_code) {
    if (!active()) return;
    exit_code_ = exit_code;
    for (const auto& pump : {stdout_, stderr_}) {
      if (pump && active()) pump->Drain();
    }
    MaybeEnd();
  }

  // An open stdin does not hold a command that has ended.
  void MaybeEnd() {
    if (!active() || !exit_code_) return;
    if ((stdout_ && !stdout_->ended()) || (stderr_ && !stderr_->ended())) return;
    Conclude(ExitDocument(channels_->error_format(), *exit_code_));
  }

  void Fail(const Status& status) {
    Conclude(ErrorDocument(channels_->error_format(), kFailure, status.message()));
  }

  void OnResize(pod::TerminalSize size) override {
    size_ = size;
    if (streams_ == nullptr) return OpenExec();
    if (!streams_->terminal) return;
    winsize window{};
    window.ws_col = size.columns;
    window.ws_row = size.rows;
    (void)::ioctl(streams_->terminal.get(), TIOCSWINSZ, &window);
  }

  void Detach() override {
    cancel_.Cancel();
    first_size_.Cancel();
    for (const auto& pump : {stdout_, stderr_}) {
      if (pump) pump->Stop();
    }
    input_->Stop();
    stdin_watch_.reset();
    stdout_watch_.reset();
    stderr_watch_.reset();
    streams_.reset();
  }

  const v1::ExecRequest request_;
  CancelSource cancel_;
  Timer first_size_;
  pod::TerminalSize size_;
  bool opening_ = false;
  std::optional<int> exit_code_;

  // The watches go before the descriptors.
  std::unique_ptr<pod::ExecStreams> streams_;
  std::unique_ptr<SocketWatch> stdin_watch_;
  std::unique_ptr<SocketWatch> stdout_watch_;  // of the terminal, too
  std::unique_ptr<SocketWatch> stderr_watch_;
  std::shared_ptr<OutputPump> stdout_;
  std::shared_ptr<OutputPump> stderr_;
};

}  // namespace

void StartExecSession(const SessionContext& context, v1::ExecRequest request,
                      std::unique_ptr<Channels> channels, std::function<void()> ended) {
  std::make_shared<ExecSession>(context, std::move(request), std::move(channels), std::move(ended))
      ->Start();
}

}  // namespace crisp::streaming
