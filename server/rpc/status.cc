// Status (cri-contract section 4).
#include "base/utf8.h"
#include "server/config/load.h"
#include "server/rpc/backend.h"

namespace crisp::rpc {
namespace {

void AddHandler(const std::string& name, const oci::RuntimeFeatures& features, bool user_namespaces,
                v1::StatusResponse* response) {
  v1::RuntimeHandler* handler = response->add_runtime_handlers();
  handler->set_name(name);
  handler->mutable_features()->set_recursive_read_only_mounts(features.recursive_read_only);
  // The kubelet sends pods with user namespaces only to handlers that claim them.
  handler->mutable_features()->set_user_namespaces(user_namespaces);
}

void AddInfo(const Backend& backend, const network::Readiness& network,
             v1::StatusResponse* response) {
  const auto config = backend.config->Get();
  config::Value value = config::ToValue(*config);
  // critest looks for the filesystem of its idmap probe under this name (cri-contract section 4).
  value.Add("stateDir", config::Value::String(config->state));
  value.Add("rootDir", config::Value::String(config->root));
  auto& info = *response->mutable_info();
  info["config"] = SanitizeUtf8(config::ToJson(value));
  info["version"] = CRISP_VERSION;
  if (!network.config_json.empty()) info["cniconfig"] = SanitizeUtf8(network.config_json);
  if (backend.left_out) {
    std::string text;
    for (const std::string& problem : backend.left_out()) {
      text += Cat(text.empty() ? "" : "; ", problem);
    }
    info["leftOut"] = text.empty() ? "none" : SanitizeUtf8(text);
  }
  info["lastCNILoadStatus"] = network.ready ? "OK" : SanitizeUtf8(network.message);
}

}  // namespace

Status AnswerStatus(const Backend& backend, const v1::StatusRequest& request,
                    v1::StatusResponse* response) {
  v1::RuntimeCondition* runtime = response->mutable_status()->add_conditions();
  runtime->set_type("RuntimeReady");
  runtime->set_status(true);  // the socket is served only after recovery

  const network::Readiness readiness = backend.network->readiness();
  v1::RuntimeCondition* network = response->mutable_status()->add_conditions();
  network->set_type("NetworkReady");
  network->set_status(readiness.ready);
  if (!readiness.ready) {
    network->set_reason(readiness.reason);
    network->set_message(SanitizeUtf8(readiness.message));
  }

  bool any_user_namespaces = false;
  for (const oci::Runtime* handler : backend.pods->Runtimes()) {
    const bool user_namespaces = backend.pods->CheckUserNamespaces(*handler).ok();
    any_user_namespaces = any_user_namespaces || user_namespaces;
    if (handler->options().handler == backend.default_handler) {
      AddHandler("", handler->features(), user_namespaces, response);
    }
    AddHandler(handler->options().handler, handler->features(), user_namespaces, response);
  }
  response->mutable_features()->set_user_namespaces_host_network(any_user_namespaces);
  response->mutable_features()->set_supplemental_groups_policy(true);
  response->mutable_features()->set_mount_options(true);
  if (request.verbose()) AddInfo(backend, readiness, response);
  return OkStatus();
}

}  // namespace crisp::rpc
