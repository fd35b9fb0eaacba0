// RegistryEndpoint: one registry or mirror, and the authorization that it wants.
//
// Contract: distribution-spec "Pulling"; distribution "Token Authentication Specification" and
//           "OAuth2 Token Authentication" (identity tokens). A 401 leads to one authorization and
//           one repeated request.
// Threads:  Perform may be called from several threads with a client each; the token is shared.
// Errors:   by HTTP status: 401 kUnauthenticated, 403 kPermissionDenied, 404 kNotFound, 429
//           kResourceExhausted, 5xx kUnavailable (both with errno EAGAIN: worth another try).
#ifndef CRISP_IMAGE_PULL_REGISTRY_ENDPOINT_H_
#define CRISP_IMAGE_PULL_REGISTRY_ENDPOINT_H_

#include <mutex>
#include <string>

#include "base/core/result.h"
#include "image/pull/auth_challenge.h"
#include "image/pull/http_client.h"
#include "image/puller_protocol.h"

namespace crisp::image {

class RegistryEndpoint {
 public:
  // `auth` is used only if the endpoint may have it. `repository`: for the token's scope.
  RegistryEndpoint(PullerEndpoint options, RegistryAuth auth, std::string repository);

  const std::string& url() const { return options_.url; }
  // `path`: below the endpoint, e.g. "/v2/<name>/manifests/<tag>". A 2xx answer or an error.
  Result<HttpResponse> Perform(HttpClient& client, const std::string& path, HttpRequest request);

 private:
  std::string authorization();
  Status Authorize(HttpClient& client, const HttpResponse& denied, const std::string& used,
                   const std::atomic<bool>* stop);
  Result<std::string> FetchToken(HttpClient& client, const AuthChallenge& challenge,
                                 const std::atomic<bool>* stop);
  HttpRequest TokenRequest(const AuthChallenge& challenge, const std::string& realm) const;

  const PullerEndpoint options_;
  const RegistryAuth auth_;
  const std::string repository_;

  std::mutex mutex_;  // guards what follows
  std::string authorization_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_REGISTRY_ENDPOINT_H_
