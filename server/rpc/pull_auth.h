// Credentials of a PullImage request, as the image room wants them.
#ifndef CRISP_SERVER_RPC_PULL_AUTH_H_
#define CRISP_SERVER_RPC_PULL_AUTH_H_

#include "base/core/result.h"
#include "cri-api/api.pb.h"
#include "image/image_service.h"

namespace crisp::rpc {

// cri-contract section 12.3. kInvalidArgument, without the credentials in the message, when
// `auth.auth` is not base64 of "user:password".
Result<image::RegistryAuth> ToRegistryAuth(const ::runtime::v1::AuthConfig& auth);

}  // namespace crisp::rpc

#endif  // CRISP_SERVER_RPC_PULL_AUTH_H_
