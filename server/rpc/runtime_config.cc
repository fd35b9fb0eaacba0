// RuntimeConfig (cri-contract section 4): the kubelet adopts the cgroup driver.
#include "server/rpc/backend.h"

namespace crisp::rpc {

Status AnswerRuntimeConfig(const Backend& backend, v1::RuntimeConfigResponse* response) {
  const bool systemd = backend.config->Get()->cgroup_driver == config::CgroupDriver::kSystemd;
  response->mutable_linux()->set_cgroup_driver(systemd ? v1::SYSTEMD : v1::CGROUPFS);
  return OkStatus();
}

}  // namespace crisp::rpc
