// MergeBaseSpec: the merge behind base_spec.h, for spec.cc; it brings the JSON library's names.
//
// Threads: a free function. Throws what the library throws, as ToJson's other parts.
#ifndef CRISP_OCI_BASE_SPEC_JSON_H_
#define CRISP_OCI_BASE_SPEC_JSON_H_

#include <nlohmann/json_fwd.hpp>

namespace crisp::oci {

// `base` as ParseBaseSpec made it.
void MergeBaseSpec(const nlohmann::json& base, nlohmann::json* spec);

}  // namespace crisp::oci

#endif  // CRISP_OCI_BASE_SPEC_JSON_H_
