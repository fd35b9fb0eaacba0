// Admin.ExportImage (server/cli/admin.proto): reads whole layers, on the pull lane.
#include "server/rpc/backend.h"

namespace crisp::rpc {

void StartExportImage(const Backend& backend, admin::ExportImageRequest request, CancelToken cancel,
                      Done<admin::ExportImageResponse> done) {
  if (!request.path().starts_with('/')) {
    done(InvalidArgument("path '", request.path(),
                         "': allowed: an absolute path on the daemon's host"));
    return;
  }
  RunOnLane<admin::ExportImageResponse>(
      backend.pull_lane, cancel, std::move(done),
      [images = backend.images, request = std::move(request),
       cancel]() -> Result<admin::ExportImageResponse> {
        CRISP_RETURN_IF_ERROR(images->Export(request.image(), request.path(), cancel));
        return admin::ExportImageResponse();
      });
}

}  // namespace crisp::rpc
