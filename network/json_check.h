// Is a text from outside (a configuration, a plugin's output, a cache file) a JSON object that the
// rest of the room may parse without fear? The only place that says where it is wrong.
#ifndef CRISP_NETWORK_JSON_CHECK_H_
#define CRISP_NETWORK_JSON_CHECK_H_

#include <string_view>

#include "base/core/result.h"

namespace crisp::network {

// kInvalidArgument with line and column when `text` is not one JSON object, or nests deeper than
// 64 levels (what handles it later is recursive).
Status CheckJsonObject(std::string_view text);

}  // namespace crisp::network

#endif  // CRISP_NETWORK_JSON_CHECK_H_
