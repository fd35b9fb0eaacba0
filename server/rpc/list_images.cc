// ListImages (cri-contract section 12.2).
#include "server/rpc/backend.h"
#include "server/rpc/image_message.h"

namespace crisp::rpc {

Status AnswerListImages(const Backend& backend, const v1::ListImagesRequest& request,
                        v1::ListImagesResponse* response) {
  const std::string& wanted = request.filter().image().image();
  if (wanted.empty()) {
    for (const image::ImagePtr& image : backend.images->List()) {
      FillImage(*image, response->add_images());
    }
    return OkStatus();
  }
  Result<image::ImagePtr> found = backend.images->Find(wanted);
  if (!found.ok()) {
    // A filter that can match nothing is an empty list (section 2), not an error.
    if (found.status().code() == Code::kInvalidArgument) return OkStatus();
    return std::move(found).status();
  }
  if (*found != nullptr) FillImage(**found, response->add_images());
  return OkStatus();
}

}  // namespace crisp::rpc
