// Version (cri-contract section 4).
#include "server/rpc/backend.h"

namespace crisp::rpc {

Status AnswerVersion(v1::VersionResponse* response) {
  response->set_version("0.1.0");  // the kubelet's own API version; it refuses any other
  response->set_runtime_name("crisp");
  response->set_runtime_version(CRISP_VERSION);
  response->set_runtime_api_version("v1");
  return OkStatus();
}

}  // namespace crisp::rpc
