// PluginRunner: finds and executes one CNI plugin.
//
// Contract: CNI spec section 2, "Protocol": parameters in the environment, configuration on stdin,
//           result or error object on stdout.
// Threads:  any number of calls in parallel; no lock is held.
// Units:    the deadline counts from the start of each plugin.
// Errors:   kFailedPrecondition when the program is missing (lists where it was looked for),
//           kDeadlineExceeded and kCancelled as ChildProcess, else what the plugin's error object
//           means (plugin_error.h).
// After a failure the plugin and the programs of its process group are dead; what it did stays, and
//           DEL undoes it.
#ifndef CRISP_NETWORK_PLUGIN_RUNNER_H_
#define CRISP_NETWORK_PLUGIN_RUNNER_H_

#include <string>
#include <vector>

#include "base/core/cancel.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/telemetry.h"

namespace crisp {
class Reaper;
class SpawnPlace;
}  // namespace crisp

namespace crisp::network {

struct PluginCall {
  std::string command;  // ADD or DEL
  std::string type;     // the program's name
  std::string container_id;
  std::string netns_path;  // empty: gone
  std::string args;        // CNI_ARGS
  std::string request;     // stdin
};

// The interface of every attachment.
inline constexpr const char* kPodInterface = "eth0";

class PluginRunner {
 public:
  struct Options {
    std::vector<std::string> plugin_dirs;
    Duration deadline = std::chrono::seconds(60);
    SpawnPlace* helper_place = nullptr;
    Reaper* reaper = nullptr;
    Telemetry* telemetry = nullptr;  // required
  };
  explicit PluginRunner(Options options) : options_(std::move(options)) {}

  // The plugin's stdout. A DEL that the plugin answers with "unknown container" is a success.
  Result<std::string> Run(const PluginCall& call, const CancelToken& cancel) const;

  // The path of a plugin's program; kFailedPrecondition names the directories searched.
  Result<std::string> FindProgram(const std::string& type) const;

 private:
  std::vector<std::string> Environment(const PluginCall& call) const;
  Result<std::string> Execute(const PluginCall& call, const CancelToken& cancel) const;

  const Options options_;
};

}  // namespace crisp::network

#endif  // CRISP_NETWORK_PLUGIN_RUNNER_H_
