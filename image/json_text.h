// Foreign JSON: parsed under limits on size and nesting.
//
// What:    ParseJson is the only way of the room to read JSON that somebody else wrote; the member
//          readers below turn wrong types into messages that name the member.
// Threads: free functions without state.
// Errors:  kInvalidArgument; nothing throws.
#ifndef CRISP_IMAGE_JSON_TEXT_H_
#define CRISP_IMAGE_JSON_TEXT_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp::image {

using Json = nlohmann::json;

inline constexpr size_t kMaxJsonBytes = 8u << 20;
inline constexpr int kMaxJsonDepth = 64;

// `what` names the document in errors ("manifest").
Result<Json> ParseJson(std::string_view text, std::string_view what,
                       size_t max_bytes = kMaxJsonBytes);
// Compact; bytes that are not UTF-8 become U+FFFD.
std::string DumpJson(const Json& json);

// Optional members: absent and null give the empty value, another type is an error.
Result<std::string> StringMember(const Json& object, const char* key);
Result<int64_t> IntMember(const Json& object, const char* key);
Result<bool> BoolMember(const Json& object, const char* key);
Result<std::vector<std::string>> StringsMember(const Json& object, const char* key);
Result<std::map<std::string, std::string>> StringMapMember(const Json& object, const char* key);
// The member when it is there and not null; nullptr otherwise. `object` may be any JSON value.
const Json* FindMember(const Json& object, const char* key);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_JSON_TEXT_H_
