// UTF-8 for the outside: proto3 strings and JSON must be valid, what the kernel, programs and
// files say need not be.
#ifndef CRISP_SERVER_UTF8_H_
#define CRISP_SERVER_UTF8_H_

#include <string>
#include <string_view>

namespace crisp {

// Each byte that is not part of a well-formed sequence (RFC 3629) becomes U+FFFD.
std::string SanitizeUtf8(std::string_view text);
// At most `max_bytes` of valid UTF-8, cut between characters; "..." shows the cut.
std::string TruncateUtf8(std::string text, size_t max_bytes);

}  // namespace crisp

#endif  // CRISP_SERVER_UTF8_H_
