// Attach (cri-contract section 11, streaming.md sections 2 and 6.6): a URL.
#include "server/rpc/stream_request.h"

namespace crisp::rpc {

Status AnswerAttach(const Backend& backend, const v1::AttachRequest& request,
                    v1::AttachResponse* response) {
  CRISP_RETURN_IF_ERROR(backend.pods->CheckAttach(request));
  CRISP_RETURN_IF_ERROR(CheckStreamingIsOn(backend));
  response->set_url(CRISP_TRY(backend.streaming->MakeUrl(request)));
  return OkStatus();
}

}  // namespace crisp::rpc
