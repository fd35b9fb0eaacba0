// What the CNI configuration directory says, as one immutable snapshot.
//
// Contract: cri-contract 6.3: the lexically first of *.conflist, *.conf and *.json that is valid is
//           the network of all pods. Files that are not valid are passed over, as the peers do, and
//           named in the message when none is left.
// Threads:  a free function without state; a snapshot never changes.
#ifndef CRISP_NETWORK_CONFIG_DIR_H_
#define CRISP_NETWORK_CONFIG_DIR_H_

#include <optional>
#include <string>

#include "network/network.h"
#include "network/network_config.h"

namespace crisp::network {

struct ConfigSnapshot {
  Readiness readiness;
  std::optional<NetworkConfig> config;  // set exactly when ready
  std::string skipped;                  // "a.conf: why; b.conf: why", also when ready
};

// Never fails: what is wrong is in `readiness`.
ConfigSnapshot LoadConfigDir(const std::string& dir);

}  // namespace crisp::network

#endif  // CRISP_NETWORK_CONFIG_DIR_H_
