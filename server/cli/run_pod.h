// `crisp run`: one pod with one container, from pull to removal.
//
// What:    pulls the image unless it is present, runs the pod, shows its log, and gives back the
//          container's exit code. An interrupt stops the container, a second one kills it. Whatever
//          happens, the pod is removed at the end, unless it is to be kept.
// Threads: one owner. SIGINT and SIGTERM are blocked in every thread.
#ifndef CRISP_SERVER_CLI_RUN_POD_H_
#define CRISP_SERVER_CLI_RUN_POD_H_

#include <string>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "server/cli/client.h"

namespace crisp::cli {

struct RunRequest {
  std::string image;
  std::vector<std::string> args;  // instead of the image's
  std::vector<std::pair<std::string, std::string>> env;
  std::string pod_name;  // empty: "run-" and random characters
  std::string runtime;
  bool host_network = false;
  bool keep = false;
};

// The requests that RunPod makes: for tests too.
v1::PodSandboxConfig MakePodConfig(const RunRequest& request, const std::string& uid,
                                   const std::string& log_directory);
v1::ContainerConfig MakeContainerConfig(const RunRequest& request, const std::string& image_id);

// The container's exit code.
Result<int> RunPod(Client* client, const RunRequest& request);

}  // namespace crisp::cli

#endif  // CRISP_SERVER_CLI_RUN_POD_H_
