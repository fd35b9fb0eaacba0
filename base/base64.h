// Base64, RFC 4648 section 4.
//
// What:    DecodeBase64 takes padding or none, and newlines at the end only; DecodeWrappedBase64
//          also white space anywhere (PEM, ASCII armour).
// Threads: free functions without state.
#ifndef CRISP_BASE_BASE64_H_
#define CRISP_BASE_BASE64_H_

#include <optional>
#include <string>
#include <string_view>

namespace crisp {

std::string EncodeBase64(std::string_view bytes);
// nullopt: another character.
std::optional<std::string> DecodeBase64(std::string_view text);
std::optional<std::string> DecodeWrappedBase64(std::string_view text);

}  // namespace crisp

#endif  // CRISP_BASE_BASE64_H_
