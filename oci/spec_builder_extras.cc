// What configuration adds to a container: annotations of the runtime handler, OCI hooks.
#include <algorithm>

#include "oci/hooks.h"
#include "oci/spec_parts.h"

namespace crisp::oci {

std::map<std::string, std::string> HandlerAnnotations(const ContainerRequest& request) {
  std::map<std::string, std::string> out;
  if (request.handler == nullptr) return out;
  out = request.handler->default_annotations;
  std::vector<std::string> allowed = request.handler->allowed_annotations;
  allowed.insert(allowed.end(), request.allowed_annotations.begin(),
                 request.allowed_annotations.end());
  // The container's own come last and win.
  for (const auto* annotations : {&request.pod_annotations, &request.annotations}) {
    for (const auto& [key, value] : *annotations) {
      if (AllowsAnnotation(allowed, key)) out[key] = value;
    }
  }
  return out;
}

Status AddConfiguredHooks(const ContainerRequest& request, Spec* spec) {
  if (request.hooks == nullptr) return OkStatus();
  HookSubject subject;
  if (!spec->process.args.empty()) subject.command = spec->process.args.front();
  subject.annotations = request.annotations;
  for (const auto* more : {&request.pod_annotations, &request.oci_annotations}) {
    subject.annotations.insert(more->begin(), more->end());
  }
  subject.has_bind_mounts = !request.mounts.empty();
  for (auto& [stage, hooks] : CRISP_TRY(request.hooks->HooksFor(subject))) {
    std::vector<Hook>& all = spec->hooks[stage];
    all.insert(all.end(), hooks.begin(), hooks.end());
  }
  return OkStatus();
}

}  // namespace crisp::oci
