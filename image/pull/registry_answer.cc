#include "image/pull/registry_answer.h"

#include <algorithm>

#include "image/json_text.h"
#include "image/pull/layer_path.h"

namespace crisp::image {

std::string ErrorDetail(std::string_view body) {
  const auto json = ParseJson(body, "error");
  if (!json.ok()) return {};
  const Json* errors = FindMember(*json, "errors");
  if (errors == nullptr || !errors->is_array() || errors->empty()) return {};
  const auto code = StringMember(errors->front(), "code");
  const auto message = StringMember(errors->front(), "message");
  if (!code.ok() || !message.ok() || (code->empty() && message->empty())) return {};
  return Cat(": ", PrintablePath(*code), ": ", PrintablePath(*message));
}

bool IsHeaderToken(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

Result<std::string> ParseTokenAnswer(std::string_view body) {
  const Json json = CRISP_TRY(ParseJson(body, "token", kMaxTokenBytes));
  std::string token = CRISP_TRY(StringMember(json, "token"));
  if (token.empty()) token = CRISP_TRY(StringMember(json, "access_token"));
  if (!IsHeaderToken(token)) return InvalidArgument("the answer has no token");
  return token;
}

Duration ParseRetryAfter(const std::string& text, time_t now) {
  if (text.empty()) return Duration::zero();
  if (text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos) {
    return std::chrono::seconds(std::stol(text));
  }
  tm parts{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end != text.c_str() + text.size()) return Duration::zero();
  const time_t left = ::timegm(&parts) - now;
  return std::chrono::seconds(std::clamp<time_t>(left, 0, 24 * 3600));
}

}  // namespace crisp::image
