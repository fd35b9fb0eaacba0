#include "server/rpc/pull_auth.h"

#include <optional>

namespace crisp::rpc {
namespace {

// RFC 4648 section 4, padding optional.
std::optional<std::string> DecodeBase64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    uint32_t value;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<uint32_t>(c - 'a' + 26);
    } else if (c >= '0' && c <= '9') {
      value = static_cast<uint32_t>(c - '0' + 52);
    } else if (c == '+') {
      value = 62;
    } else if (c == '/') {
      value = 63;
    } else {
      return std::nullopt;
    }
    bits = (bits << 6 | value) & 0xFFFFFF;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xFF));
    }
  }
  return out;
}

}  // namespace

Result<image::RegistryAuth> ToRegistryAuth(const ::runtime::v1::AuthConfig& auth) {
  image::RegistryAuth out;
  out.username = auth.username();
  out.password = auth.password();
  out.identity_token = auth.identity_token();
  out.registry_token = auth.registry_token();
  out.server_address = auth.server_address();
  if (!out.username.empty() || auth.auth().empty()) return out;
  auto decoded = DecodeBase64(auth.auth());
  const size_t colon = decoded ? decoded->find(':') : std::string::npos;
  if (colon == std::string::npos) {
    return InvalidArgument("auth.auth: allowed: base64 of \"user:password\"");
  }
  out.username = decoded->substr(0, colon);
  out.password = decoded->substr(colon + 1);
  out.password.erase(out.password.find_last_not_of('\0') + 1);
  return out;
}

}  // namespace crisp::rpc
