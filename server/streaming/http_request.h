// HttpRequest: the head of an HTTP/1.1 request, from bytes that arrive in parts.
//
// Contract: RFC 9112; streaming.md section 2. The grammar is Beast's (http_request.cc).
// Errors:   kInvalidArgument: not HTTP; kResourceExhausted: the head is over the limit.
#ifndef CRISP_SERVER_STREAMING_HTTP_REQUEST_H_
#define CRISP_SERVER_STREAMING_HTTP_REQUEST_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"

namespace crisp::streaming {

struct HttpRequest {
  std::string method;
  std::string target;  // as it stands in the request line
  bool http11 = true;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case

  // Every element of a header that is a list, in order, over all its lines; `name` in lower case.
  std::vector<std::string_view> List(std::string_view name) const;
  // True when the list has `token`, in whatever case.
  bool HasToken(std::string_view name, std::string_view token) const;
  // The first line of that name, or "".
  std::string_view First(std::string_view name) const;
};

std::string LowerCase(std::string_view text);

class HttpRequestParser {
 public:
  explicit HttpRequestParser(size_t max_bytes);
  ~HttpRequestParser();

  // True when the head is complete. What follows it is in surplus().
  Result<bool> Feed(std::string_view bytes);
  HttpRequest TakeRequest();
  // Bytes behind the head: they belong to the protocol that follows (streaming.md section 2).
  std::string TakeSurplus() { return std::move(buffer_); }

 private:
  struct Beast;
  std::unique_ptr<Beast> beast_;
  std::string buffer_;  // not parsed yet
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_HTTP_REQUEST_H_
