#include "image/pull/registry_endpoint.h"

#include <algorithm>

#include "image/json_text.h"
#include "image/pull/layer_path.h"

namespace crisp::image {
namespace {

constexpr size_t kMaxTokenBytes = 1u << 20;

// The registry's own words (distribution-spec "Error Codes"), made harmless; empty when there are
// none.
std::string ErrorDetail(const std::string& body) {
  const auto json = ParseJson(body, "error");
  if (!json.ok()) return {};
  const Json* errors = FindMember(*json, "errors");
  if (errors == nullptr || !errors->is_array() || errors->empty()) return {};
  const auto code = StringMember(errors->front(), "code");
  const auto message = StringMember(errors->front(), "message");
  if (!code.ok() || !message.ok()) return {};
  return Cat(": ", PrintablePath(*code), ": ", PrintablePath(*message));
}

Status FromHttp(const HttpResponse& response) {
  const std::string text = Cat("HTTP ", response.status, ErrorDetail(response.body));
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

}  // namespace

RegistryEndpoint::RegistryEndpoint(PullerEndpoint options, RegistryAuth auth,
                                   std::string repository)
    : options_(std::move(options)),
      auth_(options_.send_credentials ? std::move(auth) : RegistryAuth()),
      repository_(std::move(repository)) {
  if (!auth_.registry_token.empty()) authorization_ = "Bearer " + auth_.registry_token;
}

std::string RegistryEndpoint::authorization() {
  std::lock_guard lock(mutex_);
  return authorization_;
}

Result<HttpResponse> RegistryEndpoint::Perform(HttpClient& client, const std::string& path,
                                               HttpRequest request) {
  request.url = options_.url + path;
  request.tls = {options_.skip_tls_verify, options_.ca_file};
  for (int attempt = 0;; ++attempt) {
    request.authorization = authorization();
    HttpResponse response = CRISP_TRY(client.Perform(request));
    if (response.status >= 200 && response.status < 300) return response;
    if (response.status != 401 || attempt > 0) return FromHttp(response).Wrap(options_.url);
    CRISP_RETURN_IF_ERROR(
        Authorize(client, response, request.authorization, request.stop).Wrap(options_.url));
  }
}

Status RegistryEndpoint::Authorize(HttpClient& client, const HttpResponse& denied,
                                   const std::string& used, const std::atomic<bool>* stop) {
  std::lock_guard lock(mutex_);
  if (authorization_ != used) return OkStatus();  // another thread was faster
  const auto [first, last] = denied.headers.equal_range("www-authenticate");
  for (auto header = first; header != last; ++header) {
    for (const AuthChallenge& challenge : ParseChallenges(header->second)) {
      if (challenge.scheme == "bearer") {
        const auto token = FetchToken(client, challenge, stop);
        if (!token.ok()) return token.status();
        authorization_ = "Bearer " + *token;
        return OkStatus();
      }
      if (challenge.scheme == "basic" && !auth_.username.empty()) {
        authorization_ = BasicAuthorization(auth_.username, auth_.password);
        return OkStatus();
      }
    }
  }
  return FromHttp(denied);
}

HttpRequest RegistryEndpoint::TokenRequest(const AuthChallenge& challenge,
                                           const std::string& realm) const {
  HttpRequest request;
  request.tls = {options_.skip_tls_verify, options_.ca_file};
  request.body_limit_bytes = kMaxTokenBytes;
  std::string scope = challenge.Param("scope");
  if (scope.empty()) scope = Cat("repository:", repository_, ":pull");
  const std::string query =
      Cat("service=", UrlEncode(challenge.Param("service")), "&scope=", UrlEncode(scope));
  if (!auth_.identity_token.empty()) {
    request.url = realm;
    request.post_body = Cat("grant_type=refresh_token&client_id=crisp&", query,
                            "&refresh_token=", UrlEncode(auth_.identity_token));
    return request;
  }
  request.url = Cat(realm, realm.find('?') == std::string::npos ? '?' : '&', query);
  if (!auth_.username.empty()) {
    request.url += "&account=" + UrlEncode(auth_.username);
    request.authorization = BasicAuthorization(auth_.username, auth_.password);
  }
  return request;
}

Result<std::string> RegistryEndpoint::FetchToken(HttpClient& client, const AuthChallenge& challenge,
                                                 const std::atomic<bool>* stop) {
  const std::string realm = challenge.Param("realm");
  if (!realm.starts_with("https://") && !realm.starts_with("http://")) {
    return InvalidArgument("the registry names no token server (realm)");
  }
  const bool has_secret = !auth_.username.empty() || !auth_.identity_token.empty();
  if (has_secret && realm.starts_with("http://") && options_.url.starts_with("https://")) {
    return Status(Code::kPermissionDenied,
                  Cat("the token server ", PrintableUrl(realm),
                      " is not encrypted: credentials are not sent there"));
  }
  HttpRequest request = TokenRequest(challenge, realm);
  request.stop = stop;
  const HttpResponse response =
      CRISP_TRY(client.Perform(request).Wrap("token server ", PrintableUrl(realm)));
  if (response.status < 200 || response.status >= 300) {
    // Its own text may repeat what was sent.
    HttpResponse bare;
    bare.status = response.status == 400 ? 401 : response.status;
    return FromHttp(bare).Wrap("token server ", PrintableUrl(realm));
  }
  const Json json = CRISP_TRY(
      ParseJson(response.body, "token", kMaxTokenBytes).Wrap("token server ", PrintableUrl(realm)));
  std::string token = CRISP_TRY(StringMember(json, "token"));
  if (token.empty()) token = CRISP_TRY(StringMember(json, "access_token"));
  const bool printable =
      std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (token.empty() || !printable) {
    return InvalidArgument("token server ", PrintableUrl(realm), ": the answer has no token");
  }
  return token;
}

}  // namespace crisp::image
