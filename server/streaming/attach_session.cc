// An attach: a client at the stdio of a container's first process (streaming.md section 6.6).
//
// The connection to the container's monitor is read only when the client has taken what came
// before: a slow client fills the monitor's socket and is dropped there; nobody else waits for it.
//
//   attached ──container's end──> Success      ──terminal's input ends──> Success, a detach
//            ──cut off by the monitor──> error ──client leaves──> detach
#include <utility>

#include "server/streaming/status_document.h"
#include "server/streaming/stdio_session.h"

namespace crisp::streaming {
namespace {

namespace v1 = ::runtime::v1;

constexpr std::string_view kFailure = "error attaching to container";
constexpr auto kResizeAgain = std::chrono::milliseconds(50);

class AttachSession final : public StdioSession {
 public:
  AttachSession(const SessionContext& context, v1::AttachRequest request,
                std::unique_ptr<Channels> channels, std::function<void()> ended)
      : StdioSession(context, std::move(channels), std::move(ended)),
        request_(std::move(request)),
        resize_again_(context.io) {
    wanted_ = {request_.stdin(), request_.stdout(), request_.stderr() && !request_.tty(),
               request_.tty()};
  }

  Result<size_t> WriteInput(std::string_view data) override { return connection_->SendStdin(data); }
  // A terminal's user has left when the input ends: crictl's detach keys end the input and wait for
  // the server to end the session. Without a terminal the output is still of interest.
  bool EndInput() override {
    const auto done = connection_->EndStdin();
    if (done.ok() && !*done) return false;
    if (wanted_.terminal) {
      Post(context_.io, [weak = Weak<AttachSession>()] {  // not within the queue's own call
        const auto self = weak.lock();
        if (self && self->active()) {
          self->Conclude(SuccessDocument(self->channels_->error_format()));
        }
      });
    }
    return true;
  }

 private:
  using Opened = Result<std::unique_ptr<oci::AttachConnection>>;

  void Open() override {
    context_.pods->OpenAttach(request_, cancel_.token(),
                              [io = context_.io, weak = Weak<AttachSession>()](Opened result) {
                                auto opened = std::make_shared<Opened>(std::move(result));
                                Post(io, [weak, opened] {
                                  const auto self = weak.lock();
                                  if (self) self->OnOpened(std::move(*opened));
                                });
                              });
  }

  void OnOpened(Opened result) {
    if (!active()) return;
    if (!result.ok()) return Fail(result.status());
    connection_ = *std::move(result);
    auto watch = SocketWatch::Create(context_.io, connection_->fd());
    if (!watch.ok()) return Fail(watch.status());
    watch_ = *std::move(watch);
    if (size_.columns > 0) OnResize(size_);
    if (wanted_.stdin_open) input_->Open(this, watch_.get());
    Receive();
  }

  void Receive() {
    if (connection_ == nullptr) return;
    const auto received = connection_->Receive();
    if (!received.ok()) return Fail(received.status());
    switch (received->event) {
      case oci::AttachConnection::Event::kStdout:
        return Send(Channel::kStdout, received->data);
      case oci::AttachConnection::Event::kStderr:
        return Send(Channel::kStderr, received->data);
      case oci::AttachConnection::Event::kExit:
        return Conclude(SuccessDocument(channels_->error_format()));
      case oci::AttachConnection::Event::kNothing:
        watch_->AwaitRead([weak = Weak<AttachSession>()] {
          if (const auto self = weak.lock()) self->Receive();
        });
    }
  }

  // The data is in the connection's buffer, so the connection lives until it is sent.
  void Send(Channel channel, std::string_view data) {
    channels_->Send(channel, data,
                    [weak = Weak<AttachSession>(), buffer = connection_](const Status& sent) {
                      const auto self = weak.lock();
                      if (self && sent.ok()) self->Receive();
                    });
  }

  void Fail(const Status& status) {
    Conclude(ErrorDocument(channels_->error_format(), kFailure, status.message()));
  }

  void OnResize(pod::TerminalSize size) override {
    size_ = size;
    if (watch_ == nullptr) return;
    const auto done = connection_->Resize(size.columns, size.rows);
    if (!done.ok() || *done) return;
    // The socket is full of input, of which the queue awaits the end.
    resize_again_.Start(kResizeAgain, [weak = Weak<AttachSession>()] {
      const auto self = weak.lock();
      if (self && self->active()) self->OnResize(self->size_);
    });
  }

  void Detach() override {
    cancel_.Cancel();
    resize_again_.Cancel();
    input_->Stop();
    watch_.reset();
    connection_.reset();
  }

  const v1::AttachRequest request_;
  CancelSource cancel_;
  pod::TerminalSize size_;
  Timer resize_again_;
  std::shared_ptr<oci::AttachConnection> connection_;
  std::unique_ptr<SocketWatch> watch_;  // goes before the connection
};

}  // namespace

void StartAttachSession(const SessionContext& context, v1::AttachRequest request,
                        std::unique_ptr<Channels> channels, std::function<void()> ended) {
  std::make_shared<AttachSession>(context, std::move(request), std::move(channels),
                                  std::move(ended))
      ->Start();
}

}  // namespace crisp::streaming
