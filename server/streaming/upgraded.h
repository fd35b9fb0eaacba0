// UpgradedConnection: what became of a connection after its handshake, as the server sees it.
//
// Threads:  the io_context's. Held by shared_ptr: by the server until `over`, and by the Channels
//           that it gave to sessions.
#ifndef CRISP_SERVER_STREAMING_UPGRADED_H_
#define CRISP_SERVER_STREAMING_UPGRADED_H_

#include <functional>
#include <memory>
#include <span>

#include "base/core/result.h"
#include "server/streaming/delivery.h"
#include "server/streaming/link.h"
#include "server/streaming/reactor.h"
#include "server/streaming/streaming_server.h"
#include "server/streaming/tokens.h"

namespace crisp::streaming {

// What the connections of one server have in common. Outlives them.
struct Surroundings {
  SessionContext context;
  Starters starters;
  Duration streams_deadline{};
};

class UpgradedConnection {
 public:
  virtual ~UpgradedConnection() = default;
  // `surplus`: bytes that came behind the request. `over` is called once, when nothing is left of
  // the session but the link's own end; not from within Start.
  virtual void Start(std::span<char> surplus, std::function<void()> over) = 0;
  // Ends its sessions as if the client had gone, and the connection in good order.
  virtual void Stop(const Status& why) = 0;
};

// Starts what `request` (exec or attach) asks for.
void StartSession(const Surroundings& surroundings, StreamRequest request,
                  std::unique_ptr<Channels> channels, std::function<void()> ended);

// What the Deliveries of a connection may hold together; `link` is not read while they do.
std::shared_ptr<HeldBudget> ReadingBudget(size_t bytes, std::shared_ptr<Link> link);

// Which channels a request of exec or attach has. With a terminal there is no stderr
// (streaming.md section 6.1).
struct WantedChannels {
  bool stdin_open = false;
  bool stdout_open = false;
  bool stderr_open = false;
  bool resize = false;
  bool Has(Channel channel) const;
};
WantedChannels WantedBy(const StreamRequest& request);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_UPGRADED_H_
