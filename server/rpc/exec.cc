// Exec (cri-contract section 11, streaming.md section 2): a URL; the command starts when a client
// comes to it.
#include "server/rpc/stream_request.h"

namespace crisp::rpc {

Status AnswerExec(const Backend& backend, const v1::ExecRequest& request,
                  v1::ExecResponse* response) {
  CRISP_RETURN_IF_ERROR(backend.pods->CheckExec(request));
  CRISP_RETURN_IF_ERROR(CheckStreamingIsOn(backend));
  response->set_url(CRISP_TRY(backend.streaming->MakeUrl(request)));
  return OkStatus();
}

}  // namespace crisp::rpc
