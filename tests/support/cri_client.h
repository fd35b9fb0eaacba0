// CriClient: the CRI's unary RPCs as plain calls, for tests and cri_bench.
//
// What:     one overload of Call per request message. The Status of a failed call carries the
//           server's gRPC code and message.
// Contract: runtime.v1 over a unix socket (cri-contract section 1); messages up to 16 MiB.
// Threads:  any; calls may run in parallel.
// After a failure: nothing to clean; the channel reconnects by itself.
// Keeps gRPC's headers (ten seconds of compile time) in one source.
#ifndef CRISP_TESTS_SUPPORT_CRI_CLIENT_H_
#define CRISP_TESTS_SUPPORT_CRI_CLIENT_H_

#include <memory>
#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "cri-api/api.pb.h"
#include "tests/support/patience.h"

namespace crisp::test {

namespace v1 = ::runtime::v1;

// X(service, RPC): the request is <RPC>Request, the response <RPC>Response.
#define CRISP_TEST_UNARY_RPCS(X)               \
  X(RuntimeService, Version)                   \
  X(RuntimeService, RunPodSandbox)             \
  X(RuntimeService, StopPodSandbox)            \
  X(RuntimeService, RemovePodSandbox)          \
  X(RuntimeService, PodSandboxStatus)          \
  X(RuntimeService, ListPodSandbox)            \
  X(RuntimeService, CreateContainer)           \
  X(RuntimeService, StartContainer)            \
  X(RuntimeService, StopContainer)             \
  X(RuntimeService, RemoveContainer)           \
  X(RuntimeService, ListContainers)            \
  X(RuntimeService, ContainerStatus)           \
  X(RuntimeService, UpdateContainerResources)  \
  X(RuntimeService, ReopenContainerLog)        \
  X(RuntimeService, ExecSync)                  \
  X(RuntimeService, Exec)                      \
  X(RuntimeService, Attach)                    \
  X(RuntimeService, PortForward)               \
  X(RuntimeService, ContainerStats)            \
  X(RuntimeService, ListContainerStats)        \
  X(RuntimeService, PodSandboxStats)           \
  X(RuntimeService, ListPodSandboxStats)       \
  X(RuntimeService, UpdateRuntimeConfig)       \
  X(RuntimeService, Status)                    \
  X(RuntimeService, CheckpointContainer)       \
  X(RuntimeService, ListMetricDescriptors)     \
  X(RuntimeService, ListPodSandboxMetrics)     \
  X(RuntimeService, RuntimeConfig)             \
  X(RuntimeService, UpdatePodSandboxResources) \
  X(ImageService, ListImages)                  \
  X(ImageService, ImageStatus)                 \
  X(ImageService, PullImage)                   \
  X(ImageService, RemoveImage)                 \
  X(ImageService, ImageFsInfo)

// An open GetContainerEvents; one thread. The destructor leaves.
class EventStream {
 public:
  virtual ~EventStream() = default;
  // Waits for the next one; kDeadlineExceeded when the time of OpenEvents is over.
  virtual Result<v1::ContainerEventResponse> Next() = 0;
};

class CriClient {
 public:
  inline static const Duration kDefaultTimeout = Patient(std::chrono::seconds(30));

  // `socket_path`: absolute, without "unix://". Does not connect yet.
  explicit CriClient(const std::string& socket_path);
  ~CriClient();

  // Calls fail at once while nobody listens; this waits for a connection instead. False after
  // `limit`.
  bool AwaitConnection(Duration limit);

#define CRISP_TEST_DECLARE_CALL(service, rpc)                     \
  Result<v1::rpc##Response> Call(const v1::rpc##Request& request, \
                                 Duration timeout = kDefaultTimeout);
  CRISP_TEST_UNARY_RPCS(CRISP_TEST_DECLARE_CALL)
#undef CRISP_TEST_DECLARE_CALL

  std::unique_ptr<EventStream> OpenEvents(Duration limit = kDefaultTimeout);

 private:
  struct Stubs;
  std::unique_ptr<Stubs> stubs_;
};

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_CRI_CLIENT_H_
