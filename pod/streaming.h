// Streaming: the pod room's side of Exec, Attach and PortForward.
//
// What:     the checks that the RPCs make before they hand out a URL, and what a session asks for
//           when its client has come: a command with its descriptors, a connection to a
//           container's monitor, a socket in a pod's network namespace.
// Contract: streaming.md sections 2 (checks and codes), 6 and 7; cri-contract section 11.
// Threads:  any. Open functions answer from the exec lane.
// Errors:   kInvalidArgument, kNotFound; kFailedPrecondition: not running, not ready, or its
//           runtime handler is not configured any more.
#ifndef CRISP_POD_STREAMING_H_
#define CRISP_POD_STREAMING_H_

#include <memory>
#include <string>

#include "pod/environment.h"

namespace crisp::pod {

class Streaming {
 public:
  explicit Streaming(Environment* env) : env_(env) {}

  Status CheckExec(const v1::ExecRequest& request) const;
  Status CheckAttach(const v1::AttachRequest& request) const;
  Status CheckPortForward(const v1::PortForwardRequest& request) const;

  void OpenExec(v1::ExecRequest request, TerminalSize size, const CancelToken& cancel,
                Done<std::unique_ptr<ExecStreams>> done);
  void OpenAttach(v1::AttachRequest request, const CancelToken& cancel,
                  Done<std::unique_ptr<oci::AttachConnection>> done);
  Result<UniqueFd> MakePodSocket(const std::string& sandbox_id, int family) const;

  // A running container in which a command can be started.
  Result<ContainerPtr> GetForExec(const std::string& id) const;

 private:
  Result<ContainerPtr> GetRunning(const std::string& id) const;
  Result<SandboxPtr> GetReady(const std::string& id) const;

  Environment* const env_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_STREAMING_H_
