#include "server/streaming/streaming_server.h"

#include <atomic>
#include <list>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "server/streaming/handshake.h"
#include "server/streaming/incoming.h"
#include "server/streaming/listener.h"
#include "server/streaming/reactor.h"
#include "server/streaming/socket_link.h"
#include "server/streaming/spdy_channels.h"
#include "server/streaming/spdy_forward.h"
#include "server/streaming/tls_context.h"
#include "server/streaming/tunnel_link.h"
#include "server/streaming/upgraded.h"
#include "server/streaming/websocket_channels.h"
#include "server/streaming/websocket_forward.h"

namespace crisp::streaming {
namespace {

constexpr auto kAcceptAgain = std::chrono::milliseconds(100);  // when descriptors are short
constexpr int kAcceptsInARow = 16;

Refusal Unavailable503(std::string body) { return {503, "too_many_sessions", std::move(body), {}}; }

}  // namespace

class StreamingServer::Impl {
 public:
  explicit Impl(Options options)
      : options_(std::move(options)),
        tokens_(options_.max_tokens, options_.token_life, options_.token_clock) {}

  Status Open();
  Result<std::string> MakeUrl(StreamRequest request);
  Status ReloadCertificates() { return tls_ == nullptr ? OkStatus() : tls_->Reload(); }
  void Shutdown(MonoTime deadline);
  uint16_t port() const { return listener_.port; }

 private:
  using Waiting = std::list<std::shared_ptr<Incoming>>;

  void AwaitClients();
  void AcceptClients();
  void Admit(UniqueFd socket);
  void OnRequest(const std::shared_ptr<Link>& link, const HttpRequest& request,
                 std::string surplus);
  void Begin(const std::shared_ptr<Link>& link, StreamRequest request, const Upgrade& upgrade,
             std::string surplus);
  std::shared_ptr<UpgradedConnection> MakeConnection(const std::shared_ptr<Link>& link,
                                                     StreamRequest request, const Upgrade& upgrade);
  void Refuse(const std::shared_ptr<Link>& link, const Refusal& refusal);
  void CountRefusal(const std::string& reason);
  Counter* GetCounter(const char* name, const char* help, Labels labels);
  void StopOnThread();

  const Options options_;
  TokenStore tokens_;
  std::atomic<bool> down_ = false;
  Listener listener_;
  std::unique_ptr<TlsContext> tls_;
  SocketLink::Limits link_limits_;
  SocketLink::Traffic traffic_;
  Surroundings surroundings_;
  // Handlers in it refer to what is above; what is below refers to it.
  std::unique_ptr<IoThread> thread_;
  std::unique_ptr<SocketWatch> listener_watch_;
  std::unique_ptr<Timer> accept_again_;
  Waiting waiting_;  // oldest first
  std::unordered_set<std::shared_ptr<UpgradedConnection>> upgraded_;
};

Status StreamingServer::Impl::Open() {
  listener_ = CRISP_TRY(Listen(options_.address));
  if (!options_.tls.certificate.empty()) {
    tls_ = CRISP_TRY(TlsContext::Open(options_.tls));
  } else if (!listener_.loopback) {
    log::Warning("streaming listens beyond loopback without TLS: whoever sees a URL may use it",
                 {{"address", options_.address}});
  }
  link_limits_.idle = options_.idle_timeout;
  link_limits_.drain = options_.drain;
  static constexpr char kBytes[] = "crisp_streaming_bytes_total";
  static constexpr char kBytesHelp[] = "Bytes of streaming connections";
  traffic_.in = GetCounter(kBytes, kBytesHelp, {{"direction", "in"}});
  traffic_.out = GetCounter(kBytes, kBytesHelp, {{"direction", "out"}});
  thread_ = CRISP_TRY(IoThread::Start("streaming"));
  surroundings_ = {{thread_->io(), options_.pods, options_.telemetry},
                   options_.starters,
                   options_.streams_deadline};
  listener_watch_ = CRISP_TRY(SocketWatch::Create(thread_->io(), listener_.socket.get()));
  accept_again_ = std::make_unique<Timer>(thread_->io());
  Post(thread_->io(), [this] { AwaitClients(); });
  return OkStatus();
}

Counter* StreamingServer::Impl::GetCounter(const char* name, const char* help, Labels labels) {
  if (options_.telemetry == nullptr) return nullptr;
  return &options_.telemetry->GetCounter(name, help, std::move(labels));
}

void StreamingServer::Impl::CountRefusal(const std::string& reason) {
  Counter* const counter = GetCounter("crisp_streaming_refused_total",
                                      "Streaming requests that were refused", {{"reason", reason}});
  if (counter != nullptr) counter->Add();
}

Result<std::string> StreamingServer::Impl::MakeUrl(StreamRequest request) {
  if (down_) return Unavailable("crispd is stopping");
  const Kind kind = KindOf(request);
  const std::string token = CRISP_TRY(tokens_.Add(std::move(request)));
  return Cat(tls_ == nullptr ? "http://" : "https://", listener_.authority, '/', KindName(kind),
             '/', token);
}

// --- Clients that come ---------------------------------------------------------------------------

void StreamingServer::Impl::AwaitClients() {
  if (listener_watch_ != nullptr) listener_watch_->AwaitRead([this] { AcceptClients(); });
}

void StreamingServer::Impl::AcceptClients() {
  for (int i = 0; i < kAcceptsInARow; ++i) {
    Result<UniqueFd> client = AcceptClient(listener_.socket.get());
    if (client.ok()) {
      Admit(std::move(client).value());
      continue;
    }
    if (client.status().code() == Code::kNotFound) break;
    log::Warning("cannot accept streaming clients for now", {{"error", client.status()}});
    CountRefusal("no_descriptors");
    return accept_again_->Start(kAcceptAgain, [this] { AcceptClients(); });
  }
  AwaitClients();
}

void StreamingServer::Impl::Admit(UniqueFd socket) {
  Result<std::unique_ptr<Wire>> wire =
      tls_ == nullptr ? Result<std::unique_ptr<Wire>>(MakePlainWire(std::move(socket)))
                      : tls_->MakeWire(std::move(socket));
  Result<std::shared_ptr<SocketLink>> link =
      wire.ok() ? SocketLink::Create(thread_->io(), std::move(wire).value(), link_limits_, traffic_)
                : Result<std::shared_ptr<SocketLink>>(std::move(wire).status());
  if (!link.ok()) {
    log::Warning("a streaming client is sent away", {{"error", link.status()}});
    return CountRefusal("no_memory");
  }
  // Who waits longest is the likeliest not to be in earnest.
  if (waiting_.size() >= options_.max_waiting) {
    waiting_.front()->Abort();
    waiting_.pop_front();
    CountRefusal("too_many_waiting");
  }
  const auto place = waiting_.emplace(waiting_.end());
  Incoming::Callbacks callbacks;
  callbacks.on_request = [this, place, kept = *link](const HttpRequest& request,
                                                     std::string surplus) {
    waiting_.erase(place);
    OnRequest(kept, request, std::move(surplus));
  };
  callbacks.on_end = [this, place](const char* reason) {
    waiting_.erase(place);
    if (*reason != '\0') CountRefusal(reason);
  };
  *place = std::make_shared<Incoming>(
      thread_->io(), *link, Incoming::Limits{options_.max_header_bytes, options_.request_deadline},
      std::move(callbacks));
  (*place)->Start();
  (*link)->Start();
}

void StreamingServer::Impl::Refuse(const std::shared_ptr<Link>& link, const Refusal& refusal) {
  log::Debug("streaming request refused", {{"status", refusal.status}, {"why", refusal.body}});
  CountRefusal(refusal.reason);
  Piece piece;
  piece.head = refusal.Response();
  link->Write(std::move(piece));
  link->Close();
}

// The token goes first: whoever presents it has used it up, whatever else is wrong.
void StreamingServer::Impl::OnRequest(const std::shared_ptr<Link>& link, const HttpRequest& request,
                                      std::string surplus) {
  const auto path = ParsePath(request.target);
  std::optional<StreamRequest> wanted;
  if (path) wanted = tokens_.Take(path->kind, path->token);
  if (!wanted) {
    return Refuse(link, {404,
                         "unknown_token",
                         "this streaming URL is unknown, used or expired: each is good for one "
                         "connection within a minute",
                         {}});
  }
  if (upgraded_.size() >= options_.max_sessions) {
    return Refuse(link, Unavailable503(Cat("this node runs ", options_.max_sessions,
                                           " streaming sessions already: try again later")));
  }
  std::variant<Refusal, Upgrade> decided = DecideUpgrade(request, path->kind);
  if (const Refusal* refusal = std::get_if<Refusal>(&decided)) return Refuse(link, *refusal);
  const Upgrade& upgrade = std::get<Upgrade>(decided);
  if (const auto* forward = std::get_if<runtime::v1::PortForwardRequest>(&*wanted);
      forward != nullptr && upgrade.transport == Transport::kWebSocket &&
      (forward->port_size() == 0 || forward->port_size() > WebSocketForward::kMaxPorts)) {
    return Refuse(link, {400,
                         "no_ports",
                         Cat("port-forward over WebSocket channels needs 1 to ",
                             WebSocketForward::kMaxPorts, " ports in the request"),
                         {}});
  }
  Begin(link, std::move(*wanted), upgrade, std::move(surplus));
}

// --- Sessions ------------------------------------------------------------------------------------

std::shared_ptr<UpgradedConnection> StreamingServer::Impl::MakeConnection(
    const std::shared_ptr<Link>& link, StreamRequest request, const Upgrade& upgrade) {
  const auto* forward = std::get_if<runtime::v1::PortForwardRequest>(&request);
  switch (upgrade.transport) {
    case Transport::kSpdy:
      if (forward == nullptr) {
        return std::make_shared<SpdyChannels>(&surroundings_, link, std::move(request),
                                              upgrade.version);
      }
      return std::make_shared<SpdyForward>(&surroundings_, link, forward->pod_sandbox_id());
    case Transport::kTunnel: {
      const auto socket = std::make_shared<WebSocket>(link);
      link->SetObserver(socket.get());
      return std::make_shared<SpdyForward>(&surroundings_, std::make_shared<TunnelLink>(socket),
                                           forward->pod_sandbox_id());
    }
    case Transport::kWebSocket:
      break;
  }
  if (forward != nullptr) {
    return std::make_shared<WebSocketForward>(&surroundings_, link, *forward, upgrade.base64);
  }
  return std::make_shared<WebSocketChannels>(&surroundings_, link, std::move(request),
                                             upgrade.version, upgrade.base64);
}

void StreamingServer::Impl::Begin(const std::shared_ptr<Link>& link, StreamRequest request,
                                  const Upgrade& upgrade, std::string surplus) {
  const Labels labels = {{"kind", std::string(KindName(KindOf(request)))},
                         {"transport", std::string(TransportName(upgrade.transport))}};
  Gauge* active = nullptr;
  if (options_.telemetry != nullptr) {
    GetCounter("crisp_streaming_sessions_total", "Streaming sessions that began", labels)->Add();
    active = &options_.telemetry->GetGauge("crisp_streaming_sessions_active",
                                           "Streaming sessions under way", labels);
    active->Add(1);
  }
  Piece response;
  response.head = upgrade.response;
  link->Write(std::move(response));
  const auto connection = MakeConnection(link, std::move(request), upgrade);
  upgraded_.insert(connection);
  connection->Start({surplus.data(), surplus.size()},
                    [this, active, weak = std::weak_ptr(connection)] {
                      if (active != nullptr) active->Add(-1);
                      upgraded_.erase(weak.lock());
                    });
}

// --- The end -------------------------------------------------------------------------------------

void StreamingServer::Impl::StopOnThread() {
  listener_watch_.reset();
  accept_again_.reset();
  for (const auto& incoming : std::exchange(waiting_, {})) incoming->Abort();
  const auto all = upgraded_;
  for (const auto& connection : all) connection->Stop(Unavailable("crispd is stopping"));
}

void StreamingServer::Impl::Shutdown(MonoTime deadline) {
  if (thread_ == nullptr || down_.exchange(true)) return;
  Post(thread_->io(), [this] { StopOnThread(); });
  thread_->Stop(deadline);
  listener_.socket.Reset();
}

StreamingServer::StreamingServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

StreamingServer::~StreamingServer() { Shutdown(MonoNow()); }

Result<std::unique_ptr<StreamingServer>> StreamingServer::Open(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  std::unique_ptr<StreamingServer> out(new StreamingServer(std::move(impl)));
  CRISP_RETURN_IF_ERROR(out->impl_->Open());
  return out;
}

Result<std::string> StreamingServer::MakeUrl(runtime::v1::ExecRequest request) {
  return impl_->MakeUrl(std::move(request));
}
Result<std::string> StreamingServer::MakeUrl(runtime::v1::AttachRequest request) {
  return impl_->MakeUrl(std::move(request));
}
Result<std::string> StreamingServer::MakeUrl(runtime::v1::PortForwardRequest request) {
  return impl_->MakeUrl(std::move(request));
}

Status StreamingServer::ReloadCertificates() { return impl_->ReloadCertificates(); }
void StreamingServer::Shutdown(MonoTime deadline) { impl_->Shutdown(deadline); }
uint16_t StreamingServer::port() const { return impl_->port(); }

}  // namespace crisp::streaming
