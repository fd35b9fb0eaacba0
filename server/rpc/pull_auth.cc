#include "server/rpc/pull_auth.h"

#include "base/base64.h"

namespace crisp::rpc {

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
