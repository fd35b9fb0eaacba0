// Client: crispd's socket as functions. Its source file alone includes gRPC.
//
// Threads: one owner.
// Errors:  the server's code and message; kUnavailable with a hint when nobody serves the socket;
//          kCancelled when `interrupt` became readable meanwhile.
#ifndef CRISP_SERVER_CLI_CLIENT_H_
#define CRISP_SERVER_CLI_CLIENT_H_

#include <memory>
#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "cri-api/api.pb.h"
#include "server/cli/admin.pb.h"

namespace crisp::cli {

namespace v1 = ::runtime::v1;
namespace admin = ::crisp::admin::v1;

struct CallOptions {
  Duration timeout = std::chrono::seconds(10);  // zero: none
  int interrupt_fd = -1;                        // ends the call when readable
};

class Client {
 public:
  explicit Client(const std::string& socket);
  ~Client();

  Result<v1::VersionResponse> Version();
  Result<v1::StatusResponse> GetStatus(bool verbose);
  Result<v1::ListImagesResponse> ListImages();
  // `image` is unset when there is none.
  Result<v1::ImageStatusResponse> ImageStatus(const std::string& image, bool verbose = false);
  Result<v1::PullImageResponse> PullImage(const v1::PullImageRequest& request,
                                          const CallOptions& options);
  Status RemoveImage(const std::string& image);
  Status ExportImage(const std::string& image, const std::string& path, const CallOptions& options);
  Result<admin::ListPullsResponse> ListPulls();
  Result<admin::CheckImagesResponse> CheckImages(bool repair, const CallOptions& options);
  Result<admin::CollectImagesResponse> CollectImages(const CallOptions& options);
  Result<admin::ImportImageResponse> ImportImage(const std::string& path, const std::string& name,
                                                 const CallOptions& options);
  Result<std::string> RunPodSandbox(const v1::RunPodSandboxRequest& request,
                                    const CallOptions& options);
  Result<std::string> CreateContainer(const v1::CreateContainerRequest& request,
                                      const CallOptions& options);
  Status StartContainer(const std::string& id, const CallOptions& options);
  Status StopContainer(const std::string& id, int64_t grace_seconds, const CallOptions& options);
  Result<v1::ContainerStatus> ContainerStatus(const std::string& id);
  Status StopPodSandbox(const std::string& id);
  Status RemovePodSandbox(const std::string& id);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace crisp::cli

#endif  // CRISP_SERVER_CLI_CLIENT_H_
