// What the OCI runtimes print as JSON: state, features and log lines.
//
// Contract: runtime-spec runtime.md "State" and features.md; logrus and crun's --log-format=json.
// Threads:  free functions without state.
// Errors:   kDataLoss when a runtime prints what is no such JSON.
#ifndef CRISP_OCI_RUNTIME_JSON_H_
#define CRISP_OCI_RUNTIME_JSON_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "oci/runtime.h"

namespace crisp::oci {

Result<RuntimeState> ParseRuntimeState(const std::string& text);

struct FeaturesDocument {
  std::vector<std::string> mount_options;
  bool idmap = false;            // linux.mountExtensions.idmap.enabled
  bool net_devices = false;      // linux.netDevices.enabled
  bool user_namespaces = false;  // linux.namespaces has "user"
};
Result<FeaturesDocument> ParseFeatures(const std::string& text);

struct LogEntry {
  std::string level;
  std::string message;  // empty: not a log line
};
LogEntry ParseLogEntry(std::string_view line);

}  // namespace crisp::oci

#endif  // CRISP_OCI_RUNTIME_JSON_H_
