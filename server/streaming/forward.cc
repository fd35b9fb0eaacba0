// One forwarded connection: a client's data channel and a TCP socket in a pod's network namespace.
//
//   kConnecting: 127.0.0.1, then ::1 ──both refused──> text on the error channel, Close
//       │ connected
//   kCopying ──TCP ends──> kLingering: data and error finished ──client's end, kLinger──> Close
//       └─ only the client has ended: shutdown(SHUT_WR), the answer is still relayed
//
// Contract: streaming.md section 7. After the connection was made nothing is said on the error
//           channel: any text there makes the client close all its forwarded connections, and a
//           server that resets one is no reason for that.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "server/streaming/session_input.h"
#include "server/streaming/session_output.h"
#include "server/streaming/sessions.h"

namespace crisp::streaming {
namespace {

// How long what the client still sends is passed on after the TCP side has sent its end.
constexpr auto kLinger = std::chrono::seconds(1);
// A client may have hundreds of these on one connection: what waits for a slow server is held by
// its channels, which know how much all of them hold.
constexpr size_t kInput_bytes = 4 << 10;

class Forward final : public Channels::Observer,
                      public InputSink,
                      public std::enable_shared_from_this<Forward> {
 public:
  Forward(const SessionContext& context, std::string sandbox_id, uint16_t port,
          std::unique_ptr<Channels> channels, std::function<void()> ended)
      : context_(context),
        sandbox_id_(std::move(sandbox_id)),
        port_(port),
        channels_(std::move(channels)),
        input_(std::make_shared<InputQueue>(channels_.get(), kInput_bytes)),
        linger_(context.io),
        ended_(std::move(ended)) {}

  void Start() {
    self_ = shared_from_this();
    channels_->Start(this);
    Connect(AF_INET);
  }

  size_t OnData(Channel channel, std::string_view data) override {
    if (channels_ == nullptr || channel != Channel::kData) return data.size();
    return input_->Add(data);
  }
  void OnInputEnd(Channel channel) override {
    if (channels_ == nullptr || channel != Channel::kData) return;
    input_->End();
    if (lingering_ && input_->done()) End(/*good=*/true);
  }
  void OnClosed(const Status&) override {
    if (channels_ != nullptr) End(/*good=*/false);
  }

  Result<size_t> WriteInput(std::string_view data) override {
    return WriteSome(socket_.get(), data);
  }
  bool EndInput() override {
    ::shutdown(socket_.get(), SHUT_WR);
    if (lingering_) linger_.Start(Duration::zero(), [weak = weak_from_this()] { EndOf(weak); });
    return true;
  }

 private:
  void Connect(int family) {
    auto made = context_.pods->MakePodSocket(sandbox_id_, family);
    if (!made.ok()) return Failed(family, std::move(made).status());
    socket_ = *std::move(made);
    const int on = 1;
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    auto watch = SocketWatch::Create(context_.io, socket_.get());
    if (!watch.ok()) return Failed(family, std::move(watch).status());
    watch_ = *std::move(watch);
    if (StartConnect(family) != 0 && errno != EINPROGRESS) {
      return Failed(family, Refused(errno));
    }
    watch_->AwaitWrite([weak = weak_from_this(), family] {
      if (const auto self = weak.lock()) self->OnConnected(family);
    });
  }

  int StartConnect(int family) const {
    if (family == AF_INET) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port_);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      return ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
    }
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port_);
    address.sin6_addr = in6addr_loopback;
    return ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  }

  void OnConnected(int family) {
    int error = 0;
    socklen_t size = sizeof(error);
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    // A reset comes after the connection was made: an end, seen below, and no refusal.
    if (error != 0 && error != ECONNRESET) return Failed(family, Refused(error));
    input_->Open(this, watch_.get());
    output_ =
        std::make_shared<OutputPump>(context_.io, socket_.get(), watch_.get(), channels_.get(),
                                     Channel::kData, [weak = weak_from_this()] {
                                       if (const auto self = weak.lock()) self->OnTcpEnd();
                                     });
    output_->Start();
  }

  Status Refused(int error) const {
    return ErrnoStatus(error, Cat("dial tcp 127.0.0.1:", port_, ": connect"));
  }

  // What is said is why 127.0.0.1 did not work: that is where most servers listen.
  void Failed(int family, Status status) {
    watch_.reset();
    socket_.Reset();
    if (family == AF_INET) {
      failure_ = std::move(status);
      return Connect(AF_INET6);
    }
    auto text = std::make_shared<const std::string>(Cat(
        "error forwarding port ", port_, " to pod ", sandbox_id_, ", uid : ", failure_.message()));
    input_->Discard();
    channels_->Send(Channel::kError, *text, [weak = weak_from_this(), text](const Status& sent) {
      const auto self = weak.lock();
      if (!self || self->channels_ == nullptr) return;
      self->FinishBoth();
      self->End(sent.ok());
    });
  }

  // The client waits for the end of the error channel, too, before it closes its side.
  void OnTcpEnd() {
    if (channels_ == nullptr) return;
    FinishBoth();
    if (input_->done()) return End(/*good=*/true);
    lingering_ = true;
    linger_.Start(kLinger, [weak = weak_from_this()] { EndOf(weak); });
  }

  static void EndOf(const std::weak_ptr<Forward>& weak) {
    const auto self = weak.lock();
    if (self && self->channels_ != nullptr) self->End(/*good=*/true);
  }

  void FinishBoth() {
    channels_->Finish(Channel::kData);
    channels_->Finish(Channel::kError);
  }

  void End(bool good) {
    const auto self = std::exchange(self_, nullptr);  // lives to the end of this function
    linger_.Cancel();
    input_->Stop();
    if (output_) output_->Stop();
    watch_.reset();
    socket_.Reset();
    if (good) channels_->Close();
    channels_.reset();
    if (const auto ended = std::exchange(ended_, nullptr)) ended();
  }

  const SessionContext context_;
  const std::string sandbox_id_;
  const uint16_t port_;
  std::unique_ptr<Channels> channels_;
  std::shared_ptr<InputQueue> input_;
  Timer linger_;
  std::function<void()> ended_;
  std::shared_ptr<Forward> self_;  // until the end

  UniqueFd socket_;
  std::unique_ptr<SocketWatch> watch_;  // goes before the socket
  std::shared_ptr<OutputPump> output_;
  Status failure_;
  bool lingering_ = false;
};

}  // namespace

void StartForward(const SessionContext& context, const std::string& sandbox_id, uint16_t port,
                  std::unique_ptr<Channels> channels, std::function<void()> ended) {
  std::make_shared<Forward>(context, sandbox_id, port, std::move(channels), std::move(ended))
      ->Start();
}

}  // namespace crisp::streaming
