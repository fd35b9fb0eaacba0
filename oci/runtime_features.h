// What a runtime program can do, asked from the program itself.
//
// What:     `--version` tells kind and version; `features` (runc from 1.1, crun from 1.9) the mount
//           options. For a crun that has no `features` the answer follows from its version; a
//           program of another kind must have it.
// Threads:  ProbeFeatures may be called from any thread; it runs the program once or twice.
// Errors:   kFailedPrecondition: no such program (errno ENOENT), or it is no OCI runtime.
#ifndef CRISP_OCI_RUNTIME_FEATURES_H_
#define CRISP_OCI_RUNTIME_FEATURES_H_

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "oci/runtime.h"

namespace crisp::oci {

struct RuntimeVersion {
  std::string kind;
  std::string version;  // "1.1.5": without suffixes
};
// "runc version 1.1.5+ds1\n..." or "crun version 1.8.1\n...".
Result<RuntimeVersion> ParseRuntimeVersion(std::string_view text);
// By numbers: "1.10" is newer than "1.9".
bool VersionAtLeast(std::string_view version, int major, int minor);

Result<RuntimeFeatures> ProbeFeatures(const RuntimeOptions& options);

}  // namespace crisp::oci

#endif  // CRISP_OCI_RUNTIME_FEATURES_H_
