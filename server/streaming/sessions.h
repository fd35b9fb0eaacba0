// Sessions: what happens behind a streaming URL once its channels are open.
//
// What:     exec (a command of its own), attach (the container's first process), forward (one TCP
//           connection into a pod's network namespace).
// Contract: streaming.md sections 6.3 to 6.6 and 7.
// Threads:  called, and running, on the thread of `io`. A session owns itself and its channels, and
//           calls `ended` once, as its last act. The end of the connection ends it early.
// Lifetime: `pods` may answer a session that has ended: `io` outlives the pod room's lanes and its
//           loop. A session is gone only after its channels said OnClosed or it has closed them.
// Errors:   reach the client on its error channel; they never reach the caller.
#ifndef CRISP_SERVER_STREAMING_SESSIONS_H_
#define CRISP_SERVER_STREAMING_SESSIONS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/telemetry.h"
#include "cri-api/api.pb.h"
#include "pod/pod_service.h"
#include "server/streaming/channels.h"

namespace boost::asio {
class io_context;
}

namespace crisp::streaming {

struct SessionContext {
  boost::asio::io_context* io = nullptr;
  pod::PodService* pods = nullptr;
  Telemetry* telemetry = nullptr;
};

void StartExecSession(const SessionContext& context, runtime::v1::ExecRequest request,
                      std::unique_ptr<Channels> channels, std::function<void()> ended);
void StartAttachSession(const SessionContext& context, runtime::v1::AttachRequest request,
                        std::unique_ptr<Channels> channels, std::function<void()> ended);
// `channels` has kData and kError.
void StartForward(const SessionContext& context, const std::string& sandbox_id, uint16_t port,
                  std::unique_ptr<Channels> channels, std::function<void()> ended);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_SESSIONS_H_
