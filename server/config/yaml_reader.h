// Reads YAML text into a Value. The only place in crisp that knows a YAML library.
//
// Contract: YAML 1.2 block and flow style; aliases are followed; a key that is written twice in one
//           map is an error, as are several documents in one file.
// Errors:   kInvalidArgument "file:line: ...".
#ifndef CRISP_SERVER_CONFIG_YAML_READER_H_
#define CRISP_SERVER_CONFIG_YAML_READER_H_

#include <string>

#include "base/core/result.h"
#include "server/config/value.h"

namespace crisp::config {

inline constexpr int kMaxConfigValues = 10000;

// `file` is for messages. Empty text gives an empty map. Text with more than `max_values` scalars,
// lists and maps is an error.
Result<Value> ReadYaml(const std::string& text, const std::string& file,
                       int max_values = kMaxConfigValues);

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_YAML_READER_H_
