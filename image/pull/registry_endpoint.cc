#include "image/pull/registry_endpoint.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include "base/core/file.h"
#include "image/pull/registry_answer.h"

namespace crisp::image {
namespace {

constexpr size_t kMaxAuthorityBytes = 16u << 20;

// Authorities beside the system's: Debian's and Fedora's bundle.
Result<std::string> SystemAuthorities() {
  const char* named = ::getenv("SSL_CERT_FILE");
  for (const char* path : {named != nullptr ? named : "", "/etc/ssl/certs/ca-certificates.crt",
                           "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}) {
    if (*path == '\0') continue;
    Result<std::string> text = ReadFileAt(AT_FDCWD, path, kMaxAuthorityBytes);
    if (text.ok() || text.status().code() != Code::kNotFound) return text;
  }
  return std::string();  // a machine without any
}

}  // namespace

Status RegistryEndpoint::FromHttp(const HttpResponse& response) {
  const std::string text = Cat("HTTP ", response.status, ErrorDetail(response.body));
  if (response.status == 429 || response.status == 503) {
    const Duration after = ParseRetryAfter(response.Header("retry-after"), ::time(nullptr));
    if (after > Duration::zero()) {
      const MonoTime now = MonoNow();
      not_before_ = now + after;
      refused_ = now;  // last: who sees it sees the other
    }
  }
  switch (response.status) {
    case 401:
      return Status(Code::kUnauthenticated, text);
    case 403:
      return Status(Code::kPermissionDenied, text);
    case 404:
      return Status(Code::kNotFound, text);
    case 429:
      return Status(Code::kResourceExhausted, text, EAGAIN);
    default:
      break;
  }
  if (response.status >= 500) return Status(Code::kUnavailable, text, EAGAIN);
  return Status(Code::kUnknown, text);
}

RegistryEndpoint::RegistryEndpoint(PullerEndpoint options) : options_(std::move(options)) {
  if (IsHeaderToken(options_.auth.registry_token)) {
    authorization_ = "Bearer " + options_.auth.registry_token;
  }
  for (const auto& [name, value] : options_.options.headers) {
    private_headers_.push_back(Cat(name, ": ", value));
  }
}

std::string RegistryEndpoint::authorization() {
  std::lock_guard lock(mutex_);
  return authorization_;
}

Result<TlsOptions> RegistryEndpoint::Tls() {
  const EndpointOptions& options = options_.options;
  TlsOptions out;
  out.skip_verify = options.skip_tls_verify;
  out.client_cert_file = options.client_cert_file;
  out.client_key_file = options.client_key_file;
  if (options.ca_files.empty()) return out;
  std::lock_guard lock(mutex_);
  if (ca_pem_ == nullptr) {
    std::string pem;
    for (const std::string& file : options.ca_files) {
      pem += CRISP_TRY(ReadFileAt(AT_FDCWD, file, kMaxAuthorityBytes)) + "\n";
    }
    if (options.ca_adds_to_system) pem += CRISP_TRY(SystemAuthorities());
    ca_pem_ = std::make_shared<const std::string>(std::move(pem));
  }
  out.ca_pem = ca_pem_;
  return out;
}

Result<HttpResponse> RegistryEndpoint::Perform(HttpClient& client, const std::string& path,
                                               HttpRequest request) {
  // distribution-spec "API": everything is below /v2/.
  request.url = Cat(options_.url, options_.override_path ? "/" : "/v2/", options_.repository, path);
  if (!options_.query.empty()) request.url += "?" + options_.query;
  request.tls = CRISP_TRY(Tls().Wrap(options_.url));
  request.private_headers = private_headers_;
  for (int attempt = 0;; ++attempt) {
    request.authorization = authorization();
    HttpResponse response = CRISP_TRY(client.Perform(request));
    if (response.status >= 200 && response.status < 300) return response;
    if (response.status != 401 || attempt > 0 || response.elsewhere) {
      return FromHttp(response).Wrap(options_.url);
    }
    CRISP_RETURN_IF_ERROR(
        Authorize(client, response, request.authorization, request.stop).Wrap(options_.url));
  }
}

Status RegistryEndpoint::Authorize(HttpClient& client, const HttpResponse& denied,
                                   const std::string& used, const StopFlag* stop) {
  std::lock_guard lock(mutex_);
  if (authorization_ != used) return OkStatus();  // another thread was faster
  const RegistryAuth& auth = options_.auth;
  const auto [first, last] = denied.headers.equal_range("www-authenticate");
  for (auto header = first; header != last; ++header) {
    for (const AuthChallenge& challenge : ParseChallenges(header->second)) {
      if (challenge.scheme == "bearer") {
        const auto token = FetchToken(client, challenge, stop);
        if (!token.ok()) return token.status();
        authorization_ = "Bearer " + *token;
        return OkStatus();
      }
      if (challenge.scheme == "basic" && !auth.username.empty()) {
        authorization_ = BasicAuthorization(auth.username, auth.password);
        return OkStatus();
      }
    }
  }
  return FromHttp(denied);
}

HttpRequest RegistryEndpoint::TokenRequest(const AuthChallenge& challenge,
                                           const std::string& realm) const {
  HttpRequest request;
  const RegistryAuth& auth = options_.auth;
  request.body_limit_bytes = kMaxTokenBytes;
  std::string scope = challenge.Param("scope");
  if (scope.empty()) scope = Cat("repository:", options_.repository, ":pull");
  const std::string query =
      Cat("service=", UrlEncode(challenge.Param("service")), "&scope=", UrlEncode(scope));
  if (!auth.identity_token.empty()) {
    request.url = realm;
    request.post_body = Cat("grant_type=refresh_token&client_id=crisp&", query,
                            "&refresh_token=", UrlEncode(auth.identity_token));
    return request;
  }
  request.url = Cat(realm, realm.find('?') == std::string::npos ? '?' : '&', query);
  if (!auth.username.empty()) {
    request.url += "&account=" + UrlEncode(auth.username);
    request.authorization = BasicAuthorization(auth.username, auth.password);
  }
  return request;
}

Result<std::string> RegistryEndpoint::FetchToken(HttpClient& client, const AuthChallenge& challenge,
                                                 const StopFlag* stop) {
  const std::string realm = challenge.Param("realm");
  if (!realm.starts_with("https://") && !realm.starts_with("http://")) {
    return InvalidArgument("the registry names no token server (realm)");
  }
  const RegistryAuth& auth = options_.auth;
  const bool has_secret = !auth.username.empty() || !auth.identity_token.empty();
  if (has_secret && realm.starts_with("http://") && options_.url.starts_with("https://")) {
    return Status(Code::kPermissionDenied,
                  Cat("the token server ", PrintableUrl(realm),
                      " is not encrypted: credentials are not sent there"));
  }
  HttpRequest request = TokenRequest(challenge, realm);
  request.tls.skip_verify = options_.options.skip_tls_verify;
  request.tls.ca_pem = ca_pem_;
  if (OriginOf(realm) == OriginOf(options_.url)) {  // what is meant for the registry stays there
    request.private_headers = private_headers_;
    request.tls.client_cert_file = options_.options.client_cert_file;
    request.tls.client_key_file = options_.options.client_key_file;
  }
  request.stop = stop;
  const HttpResponse response =
      CRISP_TRY(client.Perform(request).Wrap("token server ", PrintableUrl(realm)));
  if (response.status < 200 || response.status >= 300) {
    // Its own text may repeat what was sent.
    HttpResponse bare;
    bare.status = response.status == 400 ? 401 : response.status;
    return FromHttp(bare).Wrap("token server ", PrintableUrl(realm));
  }
  return ParseTokenAnswer(response.body).Wrap("token server ", PrintableUrl(realm));
}

}  // namespace crisp::image
