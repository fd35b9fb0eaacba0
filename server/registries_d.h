// ReadRegistriesD: where the signatures of images are, from /etc/containers/registries.d.
//
// Contract: containers-registries.d(5): all *.yaml of the directory; "docker" by scope and
//           "default-docker", each scope once in all files; "lookaside" (older: "sigstore") and
//           "use-sigstore-attachments". The staging addresses are for writing and not used. Without
//           "default-docker": file:///var/lib/containers/sigstore. Attachments are looked for
//           unless a section says no: the policy has asked for them.
// Threads:  free function; the directory is read at each call.
// Errors:   kInvalidArgument with file, line and key; a missing directory has no sections.
#ifndef CRISP_SERVER_REGISTRIES_D_H_
#define CRISP_SERVER_REGISTRIES_D_H_

#include <map>
#include <string>

#include "base/core/result.h"
#include "image/image_service.h"

namespace crisp {

// By scope; "" is the default. `dir` empty: the default alone.
Result<std::map<std::string, image::Lookaside>> ReadRegistriesD(const std::string& dir);

// Adds the sections of one file, which messages call `file`; some may be there after a failure.
Status AddRegistriesD(const std::string& text, const std::string& file,
                      std::map<std::string, image::Lookaside>* out);

}  // namespace crisp

#endif  // CRISP_SERVER_REGISTRIES_D_H_
