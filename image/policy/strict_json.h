// JSON that decides about trust: no key twice, no key that is not known.
//
// What:    two readers of one document must not see different things in it, and a misspelt key must
//          not be a rule that silently does not hold.
// Threads: free functions without state.
// Errors:  kInvalidArgument naming the key and what is allowed.
#ifndef CRISP_IMAGE_POLICY_STRICT_JSON_H_
#define CRISP_IMAGE_POLICY_STRICT_JSON_H_

#include <initializer_list>
#include <string_view>

#include "image/json_text.h"

namespace crisp::image {

// The result is an object.
Result<Json> ParseStrictJson(std::string_view text, std::string_view what, size_t max_bytes);
// kInvalidArgument unless `json` is an object without keys besides `allowed`.
Status CheckKeys(const Json& json, std::initializer_list<std::string_view> allowed);
// The string `key`, which must be there and not be empty.
Result<std::string> RequiredString(const Json& object, const char* key);
// "a, b or c".
std::string AllowedText(std::initializer_list<std::string_view> allowed);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_POLICY_STRICT_JSON_H_
