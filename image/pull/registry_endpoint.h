// RegistryEndpoint: one registry or mirror, and the authorization that it wants.
//
// Contract: distribution-spec "Pulling"; distribution "Token Authentication Specification" and
//           "OAuth2 Token Authentication" (identity tokens). A 401 leads to one authorization and
//           one repeated request.
// Threads:  Perform may be called from several threads with a client each; the token is shared.
// Errors:   by HTTP status: 401 kUnauthenticated, 403 kPermissionDenied, 404 kNotFound, 429
//           kResourceExhausted, 5xx kUnavailable (both with errno EAGAIN: worth another try).
// Secrets: a challenge that came from elsewhere (after a redirect) is never answered.
#ifndef CRISP_IMAGE_PULL_REGISTRY_ENDPOINT_H_
#define CRISP_IMAGE_PULL_REGISTRY_ENDPOINT_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "image/pull/auth_challenge.h"
#include "image/pull/http_client.h"
#include "image/puller_protocol.h"

namespace crisp::image {

class RegistryEndpoint {
 public:
  explicit RegistryEndpoint(PullerEndpoint options);

  const std::string& url() const { return options_.url; }
  bool resolves() const { return options_.resolve; }
  bool pulls() const { return options_.pull; }
  // It could not be reached: others go first from now on.
  bool unreachable() const { return unreachable_; }
  void SetUnreachable() { unreachable_ = true; }
  // How long from now a 429 or 503 that came after `since` asked to wait (RFC 9110 section 10.2.3),
  // whoever got it; zero or less: none did, or that time is over.
  Duration RetryAfter(MonoTime since) const {
    return refused_.load() < since ? Duration::zero() : not_before_.load() - MonoNow();
  }
  // Whether it may be asked for pieces; not after some that failed.
  bool gives_pieces() const { return gives_pieces_; }
  void SetWithoutPieces() { gives_pieces_ = false; }
  // `path`: below the repository, e.g. "/manifests/<tag>". A 2xx answer or an error.
  Result<HttpResponse> Perform(HttpClient& client, const std::string& path, HttpRequest request);

 private:
  std::string authorization();
  Status Authorize(HttpClient& client, const HttpResponse& denied, const std::string& used,
                   const StopFlag* stop);
  Result<std::string> FetchToken(HttpClient& client, const AuthChallenge& challenge,
                                 const StopFlag* stop);
  Status FromHttp(const HttpResponse& response);
  Result<TlsOptions> Tls();
  HttpRequest TokenRequest(const AuthChallenge& challenge, const std::string& realm) const;

  const PullerEndpoint options_;
  std::vector<std::string> private_headers_;
  std::atomic<bool> unreachable_{false};
  std::atomic<bool> gives_pieces_{true};
  std::atomic<MonoTime> refused_{MonoTime{}};
  std::atomic<MonoTime> not_before_{MonoTime{}};

  std::mutex mutex_;  // guards what follows
  std::string authorization_;
  std::shared_ptr<const std::string> ca_pem_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_REGISTRY_ENDPOINT_H_
