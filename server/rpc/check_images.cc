// Admin.CheckImages and Admin.CollectImages (server/cli/admin.proto). A check reads every directory
// of the store, a repair pulls: on the pull lane. Collecting waits for deletions: on the work lane.
#include "server/rpc/backend.h"

namespace crisp::rpc {
namespace {

Result<admin::CheckImagesResponse> Check(image::ImageService* images, bool repair,
                                         const CancelToken& cancel) {
  const image::CheckReport report = CRISP_TRY(images->Check(repair, cancel));
  admin::CheckImagesResponse response;
  response.set_layers_checked(report.layers_checked);
  response.set_layers_without_record(report.layers_without_record);
  response.set_images_checked(report.images_checked);
  for (const image::DamagedImage& image : report.damaged_images) {
    admin::DamagedImage* out = response.add_damaged_images();
    out->set_id(image.id);
    out->set_name(image.name);
    out->set_difference(image.difference);
    out->set_repaired(image.repaired);
    out->set_repair_error(image.repair_error);
  }
  for (const image::Stranger& stranger : report.strangers) {
    admin::Stranger* out = response.add_strangers();
    out->set_path(stranger.path);
    out->set_removed(stranger.removed);
    out->set_removal_error(stranger.removal_error);
  }
  for (const image::DamagedLayer& layer : report.damaged) {
    admin::DamagedLayer* out = response.add_damaged();
    out->set_diff_id(layer.diff_id);
    for (const std::string& name : layer.images) out->add_images(name);
    for (const std::string& line : layer.differences) out->add_differences(line);
    out->set_difference_count(layer.difference_count);
    out->set_repaired(layer.repaired);
    out->set_repair_error(layer.repair_error);
  }
  return response;
}

}  // namespace

void StartCheckImages(const Backend& backend, admin::CheckImagesRequest request, CancelToken cancel,
                      Done<admin::CheckImagesResponse> done) {
  RunOnLane<admin::CheckImagesResponse>(backend.pull_lane, cancel, std::move(done),
                                        [images = backend.images, repair = request.repair(),
                                         cancel] { return Check(images, repair, cancel); });
}

void StartCollectImages(const Backend& backend, admin::CollectImagesRequest, CancelToken cancel,
                        Done<admin::CollectImagesResponse> done) {
  RunOnLane<admin::CollectImagesResponse>(
      backend.work_lane, cancel, std::move(done),
      [images = backend.images]() -> Result<admin::CollectImagesResponse> {
        const image::Collected collected = images->Collect();
        admin::CollectImagesResponse response;
        response.set_layers(collected.layers);
        response.set_bytes(collected.bytes);
        return response;
      });
}

}  // namespace crisp::rpc
