// Incoming: a connection until its request is whole.
//
// Threads:  the io_context's.
// Memory:   the head of the request, up to the limit.
// Errors:   the client gets a readable answer; the server hears of it with a word for its metrics.
#ifndef CRISP_SERVER_STREAMING_INCOMING_H_
#define CRISP_SERVER_STREAMING_INCOMING_H_

#include <functional>
#include <memory>
#include <string>

#include "server/streaming/handshake.h"
#include "server/streaming/http_request.h"
#include "server/streaming/link.h"
#include "server/streaming/reactor.h"

namespace crisp::streaming {

class Incoming final : public std::enable_shared_from_this<Incoming>, private Link::Observer {
 public:
  struct Limits {
    size_t max_header_bytes;
    Duration deadline;
  };
  // Exactly one of these is called, once, never from within Start. After `on_request` the link is
  // the callee's.
  struct Callbacks {
    std::function<void(HttpRequest, std::string surplus)> on_request;
    // The link has been closed. `reason`: one word; "": the client left.
    std::function<void(const char* reason)> on_end;
  };

  Incoming(Io* io, std::shared_ptr<Link> link, const Limits& limits, Callbacks callbacks)
      : link_(std::move(link)),
        limits_(limits),
        parser_(limits.max_header_bytes),
        callbacks_(std::move(callbacks)),
        deadline_(io) {}

  void Start();
  // Ends it without a callback.
  void Abort();
  const std::shared_ptr<Link>& link() const { return link_; }

 private:
  void OnBytes(std::span<char> bytes) override;
  void OnDrained() override {}
  void OnEnd(const Status& why) override;
  void Refuse(const Refusal& refusal);

  const std::shared_ptr<Link> link_;
  const Limits limits_;
  HttpRequestParser parser_;
  Callbacks callbacks_;
  Timer deadline_;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_INCOMING_H_
