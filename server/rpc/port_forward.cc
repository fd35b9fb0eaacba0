// PortForward (cri-contract section 11, streaming.md sections 2, 7 and 9): a URL.
#include "server/rpc/stream_request.h"

namespace crisp::rpc {

Status AnswerPortForward(const Backend& backend, const v1::PortForwardRequest& request,
                         v1::PortForwardResponse* response) {
  CRISP_RETURN_IF_ERROR(backend.pods->CheckPortForward(request));
  CRISP_RETURN_IF_ERROR(CheckStreamingIsOn(backend));
  response->set_url(CRISP_TRY(backend.streaming->MakeUrl(request)));
  return OkStatus();
}

}  // namespace crisp::rpc
