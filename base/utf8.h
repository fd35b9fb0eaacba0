// UTF-8 (RFC 3629): proto3 strings and JSON must be valid, what the kernel, programs and files say
// need not be.
//
// Threads: free functions without state.
#ifndef CRISP_BASE_UTF8_H_
#define CRISP_BASE_UTF8_H_

#include <string>
#include <string_view>

namespace crisp {

// No overlong form, no surrogate, nothing above U+10FFFF. NUL is a character.
bool IsUtf8(std::string_view text);
// Each byte that is not part of a well-formed sequence becomes U+FFFD.
std::string SanitizeUtf8(std::string_view text);
// At most `max_bytes` of valid UTF-8, cut between characters; "..." shows the cut.
std::string TruncateUtf8(std::string text, size_t max_bytes);

}  // namespace crisp

#endif  // CRISP_BASE_UTF8_H_
