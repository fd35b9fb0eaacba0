// Admin.ImportImage (server/cli/admin.proto): on the pull lane, like everything that unpacks.
#include "server/rpc/backend.h"

namespace crisp::rpc {
namespace {

Result<admin::ImportImageResponse> Import(image::ImageService* images,
                                          const admin::ImportImageRequest& request,
                                          const CancelToken& cancel) {
  admin::ImportImageResponse response;
  for (const std::string& id : CRISP_TRY(images->Import(request.path(), request.name(), cancel))) {
    response.add_image_ids(id);
  }
  return response;
}

}  // namespace

void StartImportImage(const Backend& backend, admin::ImportImageRequest request, CancelToken cancel,
                      Done<admin::ImportImageResponse> done) {
  if (!request.path().starts_with('/')) {
    done(InvalidArgument("path '", request.path(),
                         "': allowed: an absolute path on the daemon's host"));
    return;
  }
  RunOnLane<admin::ImportImageResponse>(backend.pull_lane, cancel, std::move(done),
                                        [images = backend.images, request = std::move(request),
                                         cancel] { return Import(images, request, cancel); });
}

}  // namespace crisp::rpc
