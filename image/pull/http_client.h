// HttpClient: GET and POST over HTTP and HTTPS, on libcurl.
//
// What:    one connection cache per object; a body goes to a sink or is kept up to a limit.
// Contract: only http and https, also in redirects (at most five; https never back to http).
//           Authorization, private headers, client certificate and POST bodies stay with the
//           scheme, host and port that they were meant for: a redirect to another place is followed
//           without them, that of a POST is refused.
// Threads:  one owner. GlobalInit() once before any thread.
// Errors:   kUnavailable when the server cannot be reached (errno ECONNREFUSED; also where it takes
//           a connection and stays silent in the handshake) or breaks off (errno ECONNRESET: worth
//           another try), kDeadlineExceeded (errno ETIMEDOUT) when nothing came for the stall time
//           on a connection that there is, kCancelled by `stop`, kResourceExhausted when a body is
//           larger than allowed or memory is out. An HTTP status of 300 or more is not an error
//           here; what is longer than 64 KiB of its body is not read.
// Secrets:  neither credentials nor query strings are part of any message.
#ifndef CRISP_IMAGE_PULL_HTTP_CLIENT_H_
#define CRISP_IMAGE_PULL_HTTP_CLIENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/pull/byte_stream.h"

namespace crisp::image {

struct TlsOptions {
  bool skip_verify = false;
  std::shared_ptr<const std::string> ca_pem;  // nullptr: the system's authorities
  std::string client_cert_file;
  std::string client_key_file;
};

struct HttpResponse {
  long status = 0;
  std::multimap<std::string, std::string> headers;  // names in lower case; of the last answer
  std::string body;
  bool elsewhere = false;  // it came from another place than the one that was asked
  std::string Header(const std::string& lower_name) const;
};

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers;          // "Name: value"
  std::vector<std::string> private_headers;  // for the asked place only
  std::string authorization;                 // the header's value, or empty
  std::string post_body;                     // not empty: POST, form-encoded
  int64_t range_from = 0;                    // > 0: "Range: bytes=N-"
  int64_t range_to = -1;                     // >= 0: the last byte, too
  TlsOptions tls;
  size_t body_limit_bytes = 4u << 20;
  // Gets the body of a 2xx answer instead of `HttpResponse::body`, with status and headers.
  std::function<Status(const HttpResponse&, Bytes)> sink;
  const StopFlag* stop = nullptr;
};

class HttpClient {
 public:
  explicit HttpClient(int stall_seconds);
  ~HttpClient();
  static void GlobalInit();

  Result<HttpResponse> Perform(HttpRequest request);

 private:
  // One answer; where a redirect leads to is in `redirect`.
  Result<HttpResponse> PerformOnce(const HttpRequest& request, std::string* redirect);

  const int stall_seconds_;
  std::unique_ptr<void, void (*)(void*)> curl_;
};

// Turns `request`, made for `origin`, to `target`; to another origin without what was meant for the
// first alone. kInvalidArgument when it must not go there; then nothing has changed.
Status FollowRedirect(const std::string& origin, const std::string& target, HttpRequest* request);
// "https://host:443": scheme, host and port in one spelling. Empty for what is neither http nor
// https.
std::string OriginOf(const std::string& url);
// Without user information and query: what messages may show.
std::string PrintableUrl(const std::string& url);
// "Basic <base64(user:password)>".
std::string BasicAuthorization(const std::string& user, const std::string& password);
std::string UrlEncode(const std::string& text);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_HTTP_CLIENT_H_
