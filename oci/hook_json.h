// The program of a hook as CDI specs and oci-hooks(5) write it.
#ifndef CRISP_OCI_HOOK_JSON_H_
#define CRISP_OCI_HOOK_JSON_H_

#include "oci/hook.h"
#include "oci/json_object.h"

namespace crisp::oci {

// Its keys path, args, env and timeout; others are the caller's.
Result<Hook> ParseHook(const JsonObject& object);

}  // namespace crisp::oci

#endif  // CRISP_OCI_HOOK_JSON_H_
