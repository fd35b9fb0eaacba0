// ImageStatus (cri-contract section 12.2): a missing image is OK with `image` unset.
#include "server/rpc/backend.h"
#include "server/rpc/image_message.h"

namespace crisp::rpc {

Status AnswerImageStatus(const Backend& backend, const v1::ImageStatusRequest& request,
                         v1::ImageStatusResponse* response) {
  const std::string& reference = request.image().image();
  if (reference.empty()) {
    return InvalidArgument("image.image is empty; allowed: an image reference or id");
  }
  const image::ImagePtr image = CRISP_TRY(backend.images->Find(reference));
  if (image == nullptr) return OkStatus();
  FillImage(*image, response->mutable_image());
  if (request.verbose()) (*response->mutable_info())["info"] = ImageInfoJson(*image);
  return OkStatus();
}

}  // namespace crisp::rpc
