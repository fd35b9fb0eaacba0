// RemoveImage (cri-contract section 12.4): deletes directories, so it runs on the work lane.
#include "server/rpc/backend.h"

namespace crisp::rpc {

void StartRemoveImage(const Backend& backend, v1::RemoveImageRequest request, CancelToken cancel,
                      Done<v1::RemoveImageResponse> done) {
  if (request.image().image().empty()) {
    done(InvalidArgument("image.image is empty; allowed: an image reference or id"));
    return;
  }
  RunOnLane<v1::RemoveImageResponse>(
      backend.work_lane, cancel, std::move(done),
      [images = backend.images,
       reference = request.image().image()]() -> Result<v1::RemoveImageResponse> {
        CRISP_RETURN_IF_ERROR(images->Remove(reference));
        return v1::RemoveImageResponse();
      });
}

}  // namespace crisp::rpc
