// HttpClient: GET and POST over HTTP and HTTPS, on libcurl.
//
// What:    one connection cache per object; a body goes to a sink or is kept up to a limit.
// Contract: only http and https, also in redirects (at most five; https never back to http), and
//           the Authorization header stays with the host that it was made for (libcurl drops it on
//           a change of host, port or scheme).
// Threads:  one owner. GlobalInit() once before any thread.
// Errors:   kUnavailable when the server cannot be reached (errno ECONNREFUSED) or breaks off
// (errno
//           ECONNRESET: worth another try), kDeadlineExceeded when
//           nothing came for the stall time, kCancelled by `stop`, kResourceExhausted when a body
//           is larger than allowed. An HTTP status of 400 or more is not an error here.
// Secrets:  neither credentials nor query strings are part of any message.
#ifndef CRISP_IMAGE_PULL_HTTP_CLIENT_H_
#define CRISP_IMAGE_PULL_HTTP_CLIENT_H_

#include <atomic>
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
  std::string ca_file;  // empty: the system's
};

struct HttpResponse {
  long status = 0;
  std::multimap<std::string, std::string> headers;  // names in lower case; of the last answer
  std::string body;
  std::string Header(const std::string& lower_name) const;
};

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string authorization;         // the header's value, or empty
  std::string post_body;             // not empty: POST, form-encoded
  int64_t range_from = 0;            // > 0: "Range: bytes=N-"
  TlsOptions tls;
  size_t body_limit_bytes = 4u << 20;
  // Gets the body of a 2xx answer instead of `HttpResponse::body`, with status and headers.
  std::function<Status(const HttpResponse&, Bytes)> sink;
  const std::atomic<bool>* stop = nullptr;
};

class HttpClient {
 public:
  explicit HttpClient(int stall_seconds);
  ~HttpClient();
  static void GlobalInit();

  Result<HttpResponse> Perform(const HttpRequest& request);

 private:
  const int stall_seconds_;
  std::unique_ptr<void, void (*)(void*)> curl_;
};

// Without user information and query: what messages may show.
std::string PrintableUrl(const std::string& url);
// "Basic <base64(user:password)>".
std::string BasicAuthorization(const std::string& user, const std::string& password);
std::string UrlEncode(const std::string& text);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_HTTP_CLIENT_H_
