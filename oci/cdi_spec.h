// One file of the Container Device Interface: devices and what they add to a container.
//
// Contract: CDI specification 0.3.0 to 1.1 (cncf-tags/container-device-interface, SPEC.md). Keys
//           that it does not know are errors, as is a key that is newer than the file's cdiVersion
//           ("Update policy").
// Threads:  values and free functions.
// Errors:   kInvalidArgument "devices[1].name: what; what is allowed".
// Units:    seconds for timeouts.
#ifndef CRISP_OCI_CDI_SPEC_H_
#define CRISP_OCI_CDI_SPEC_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "oci/hook.h"
#include "oci/spec.h"

namespace crisp::oci {

struct CdiDeviceNode {
  std::string path;       // in the container
  std::string host_path;  // `path` when the file gives none
  char type = 0;          // 'b', 'c', 'u' or 'p'; 0: as the host's
  int64_t major = 0;      // 0: as the host's
  int64_t minor = 0;
  std::optional<mode_t> file_mode;
  std::string permissions;  // "" means rwm, "none" means none
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

struct CdiMount {
  std::string host_path;
  std::string container_path;
  std::string type;
  std::vector<std::string> options;
};

struct CdiEdits {  // containerEdits
  std::vector<std::string> env;
  std::vector<CdiDeviceNode> device_nodes;
  std::vector<CdiMount> mounts;
  std::vector<std::pair<HookStage, Hook>> hooks;
  std::vector<uint32_t> additional_gids;
  std::optional<IntelRdt> intel_rdt;
  std::map<std::string, std::string> net_devices;  // name on the host -> in the container
};

struct CdiDevice {
  std::string name;
  CdiEdits edits;
};

struct CdiSpec {
  std::string version;
  std::string kind;  // vendor.com/class
  CdiEdits edits;    // for a container that gets any of the devices
  std::vector<CdiDevice> devices;
};

// JSON text; YAML becomes that before.
Result<CdiSpec> ParseCdiSpec(const std::string& json);

// A qualified name "vendor.com/class=device".
struct CdiName {
  std::string kind;
  std::string device;
};
Result<CdiName> ParseCdiName(std::string_view name);

// The devices that annotations with "cdi.k8s.io/" ask for, in the order of the keys.
Result<std::vector<std::string>> CdiDevicesOfAnnotations(
    const std::map<std::string, std::string>& annotations);

}  // namespace crisp::oci

#endif  // CRISP_OCI_CDI_SPEC_H_
