// PullImage (cri-contract section 12.3; error prefixes: section 1).
#include "server/rpc/backend.h"
#include "server/rpc/pull_auth.h"

namespace crisp::rpc {
namespace {

Status CheckHandler(const Backend& backend, const std::string& handler) {
  if (handler.empty()) return OkStatus();
  std::string known;
  for (const oci::Runtime* runtime : backend.pods->Runtimes()) {
    if (runtime->options().handler == handler) return OkStatus();
    known += Cat(known.empty() ? "" : ", ", runtime->options().handler);
  }
  return InvalidArgument("image.runtime_handler '", handler, "': allowed: ", known);
}

// The kubelet matches the start of the message, and sees it unchanged only with code UNKNOWN.
Status ForKubelet(Status status) {
  if (status.code() == Code::kPermissionDenied && status.sys_errno() == EKEYREJECTED) {
    return std::move(status).Wrap("SignatureValidationFailed").WithCode(Code::kUnknown);
  }
  // A registry that went silent; the client's own deadline has no errno.
  const bool stalled = status.code() == Code::kDeadlineExceeded && status.sys_errno() == ETIMEDOUT;
  if (status.code() != Code::kUnavailable && !stalled) return status;
  return std::move(status).Wrap("RegistryUnavailable").WithCode(Code::kUnknown);
}

Result<v1::PullImageResponse> Pull(image::ImageService* images, const image::PullRequest& request) {
  Result<std::string> id = images->Pull(request);
  if (!id.ok()) return ForKubelet(std::move(id).status());
  v1::PullImageResponse response;
  response.set_image_ref(*id);
  return response;
}

}  // namespace

void StartPullImage(const Backend& backend, v1::PullImageRequest request, CancelToken cancel,
                    Done<v1::PullImageResponse> done) {
  if (request.image().image().empty()) {
    done(InvalidArgument("image.image is empty; allowed: an image reference"));
    return;
  }
  if (Status known = CheckHandler(backend, request.image().runtime_handler()); !known.ok()) {
    done(std::move(known));
    return;
  }
  image::PullRequest pull;
  pull.reference = request.image().image();
  Result<image::RegistryAuth> auth = ToRegistryAuth(request.auth());
  if (!auth.ok()) {
    done(std::move(auth).status());
    return;
  }
  pull.auth = std::move(*auth);
  pull.pod_namespace = request.sandbox_config().metadata().namespace_();
  pull.cancel = cancel;
  RunOnLane<v1::PullImageResponse>(
      backend.pull_lane, cancel, std::move(done),
      [images = backend.images, pull = std::move(pull)] { return Pull(images, pull); });
}

}  // namespace crisp::rpc
