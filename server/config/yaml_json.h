// YAML to JSON, for documents of formats that are JSON and may be written as YAML (CDI specs).
// Rooms that want it get it as a function.
//
// Contract: plain scalars are what YAML's core schema says (1.2, 10.3.2); a number with a leading 0
//           is octal, as YAML 1.1 had it and file modes are written.
// Errors:   as ReadYaml's.
#ifndef CRISP_SERVER_CONFIG_YAML_JSON_H_
#define CRISP_SERVER_CONFIG_YAML_JSON_H_

#include <string>

#include "base/core/result.h"

namespace crisp::config {

// `file` is for messages.
Result<std::string> YamlToJson(const std::string& text, const std::string& file);

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_YAML_JSON_H_
