// What a failed plugin wants to say.
//
// Contract: CNI spec section 5, "Error": {"cniVersion", "code", "msg", "details"} on stdout.
//           Plugins that print something else (a stack trace, shell errors, nothing) are quoted.
#ifndef CRISP_NETWORK_PLUGIN_ERROR_H_
#define CRISP_NETWORK_PLUGIN_ERROR_H_

#include "base/core/child_process.h"
#include "base/core/result.h"

namespace crisp::network {

struct PluginFailure {
  int cni_code = 0;  // 0: the plugin gave none
  Status status;
};

// Precondition: the plugin did not succeed.
PluginFailure DescribeFailure(const RunOutput& output);

// "There is nothing to clean up" (spec section 5: code 3, "Container unknown or does not exist.
// ... the runtime does not need to perform any container network cleanup").
inline constexpr int kCniUnknownContainer = 3;

}  // namespace crisp::network

#endif  // CRISP_NETWORK_PLUGIN_ERROR_H_
