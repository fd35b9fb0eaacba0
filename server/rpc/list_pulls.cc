// Admin.ListPulls (server/cli/admin.proto).
#include "server/rpc/backend.h"

namespace crisp::rpc {

Status AnswerListPulls(const Backend& backend, admin::ListPullsResponse* response) {
  for (const image::PullProgress& pull : backend.images->Pulls()) {
    admin::Pull* out = response->add_pulls();
    out->set_reference(pull.reference);
    out->set_requested(pull.requested);
    out->set_started_ns(pull.started_ns);
    out->set_layers_total(pull.layers_total);
    out->set_layers_ready(pull.layers_ready);
    out->set_bytes_total(pull.bytes_total);
    out->set_bytes_received(pull.bytes_received);
  }
  return OkStatus();
}

}  // namespace crisp::rpc
