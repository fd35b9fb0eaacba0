// Backend: what the RPCs work with, and the signatures of those that the server answers itself.
//
// What:    one RPC, one file. RPCs about pods and containers are methods of pod::PodService and are
//          forwarded by service.cc; the others are the functions below.
// Contract: cri-contract, the section is named in each file.
// Threads:  every function may be called from any thread. Quick ones (returning Status) never
//           block; slow ones return at once and call `done` exactly once, from a lane.
#ifndef CRISP_SERVER_RPC_BACKEND_H_
#define CRISP_SERVER_RPC_BACKEND_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/answer_on.h"
#include "base/core/cancel.h"
#include "base/core/result.h"
#include "base/lane.h"
#include "cri-api/api.pb.h"
#include "image/image_service.h"
#include "network/network.h"
#include "pod/pod_service.h"
#include "server/cli/admin.pb.h"
#include "server/config/config.h"
#include "server/streaming/streaming_server.h"

namespace crisp::rpc {

namespace v1 = ::runtime::v1;
namespace admin = ::crisp::admin::v1;

template <typename Response>
using Done = pod::Done<Response>;

// The configuration in force; replaced as a whole by a reload.
class CurrentConfig {
 public:
  explicit CurrentConfig(config::Config config) { Set(std::move(config)); }
  std::shared_ptr<const config::Config> Get() const {
    std::lock_guard lock(mutex_);
    return config_;
  }
  void Set(config::Config config) {
    auto next = std::make_shared<const config::Config>(std::move(config));
    std::lock_guard lock(mutex_);
    config_ = std::move(next);
  }

 private:
  mutable std::mutex mutex_;  // guards config_
  std::shared_ptr<const config::Config> config_;
};

// Everything outlives the server that uses it.
struct Backend {
  const CurrentConfig* config = nullptr;
  pod::PodService* pods = nullptr;
  image::ImageService* images = nullptr;
  network::Network* network = nullptr;
  streaming::StreamingServer* streaming = nullptr;  // none: streaming is off
  Lane* work_lane = nullptr;
  Lane* pull_lane = nullptr;
  std::string default_handler;
  // CDI specs and OCI hooks with mistakes, "path: what"; null: none.
  std::function<std::vector<std::string>()> left_out;
};

// Quick.
Status AnswerVersion(v1::VersionResponse* response);
Status AnswerStatus(const Backend& backend, const v1::StatusRequest& request,
                    v1::StatusResponse* response);
Status AnswerRuntimeConfig(const Backend& backend, v1::RuntimeConfigResponse* response);
Status AnswerUpdateRuntimeConfig(const Backend& backend,
                                 const v1::UpdateRuntimeConfigRequest& request);
Status AnswerListImages(const Backend& backend, const v1::ListImagesRequest& request,
                        v1::ListImagesResponse* response);
Status AnswerImageStatus(const Backend& backend, const v1::ImageStatusRequest& request,
                         v1::ImageStatusResponse* response);
Status AnswerImageFsInfo(const Backend& backend, v1::ImageFsInfoResponse* response);
Status AnswerListPulls(const Backend& backend, admin::ListPullsResponse* response);

Status AnswerExec(const Backend& backend, const v1::ExecRequest& request,
                  v1::ExecResponse* response);
Status AnswerAttach(const Backend& backend, const v1::AttachRequest& request,
                    v1::AttachResponse* response);
Status AnswerPortForward(const Backend& backend, const v1::PortForwardRequest& request,
                         v1::PortForwardResponse* response);

// Slow.
void StartPullImage(const Backend& backend, v1::PullImageRequest request, CancelToken cancel,
                    Done<v1::PullImageResponse> done);
void StartRemoveImage(const Backend& backend, v1::RemoveImageRequest request, CancelToken cancel,
                      Done<v1::RemoveImageResponse> done);
void StartImportImage(const Backend& backend, admin::ImportImageRequest request, CancelToken cancel,
                      Done<admin::ImportImageResponse> done);
void StartExportImage(const Backend& backend, admin::ExportImageRequest request, CancelToken cancel,
                      Done<admin::ExportImageResponse> done);
void StartCheckImages(const Backend& backend, admin::CheckImagesRequest request, CancelToken cancel,
                      Done<admin::CheckImagesResponse> done);
void StartCollectImages(const Backend& backend, admin::CollectImagesRequest request,
                        CancelToken cancel, Done<admin::CollectImagesResponse> done);

// Runs `work` on the lane unless the call is cancelled by then, and gives its result to `done`.
template <typename Response, typename Work>
void RunOnLane(Lane* lane, const CancelToken& cancel, Done<Response> done, Work work) {
  AnswerOn(*lane, std::move(done), [cancel, work = std::move(work)]() mutable -> Result<Response> {
    CRISP_RETURN_IF_ERROR(cancel.Check());
    return work();
  });
}

}  // namespace crisp::rpc

#endif  // CRISP_SERVER_RPC_BACKEND_H_
