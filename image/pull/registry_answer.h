// What a registry and its token server say beside content: why they refuse, tokens, when to come
// back.
//
// Contract: distribution-spec "Error Codes"; distribution "Token Authentication Specification",
//           "Token Response Fields"; RFC 9110 section 10.2.3 (Retry-After).
// Threads:  free functions.
// Errors:   kInvalidArgument.
// Secrets:  no message has anything of a token server's answer.
#ifndef CRISP_IMAGE_PULL_REGISTRY_ANSWER_H_
#define CRISP_IMAGE_PULL_REGISTRY_ANSWER_H_

#include <time.h>

#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace crisp::image {

inline constexpr size_t kMaxTokenBytes = 1u << 20;

// ": CODE: message", the registry's own words of its first error, made harmless and cut; empty when
// there are none.
std::string ErrorDetail(std::string_view body);

// What may stand in a header without becoming another one.
bool IsHeaderToken(std::string_view text);

// The bearer token of a token server's answer: an IsHeaderToken.
Result<std::string> ParseTokenAnswer(std::string_view body);

// How long from `now` a Retry-After of seconds or a date asks to wait; zero for what is neither or
// over. A date counts for a day at most.
Duration ParseRetryAfter(const std::string& text, time_t now);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_REGISTRY_ANSWER_H_
