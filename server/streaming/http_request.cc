#include "server/streaming/http_request.h"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace crisp::streaming {

namespace http = boost::beast::http;

std::string LowerCase(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::vector<std::string_view> HttpRequest::List(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [key, value] : headers) {
    if (key != name) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      std::string_view element = rest.substr(0, comma);
      while (!element.empty() && (element.front() == ' ' || element.front() == '\t')) {
        element.remove_prefix(1);
      }
      while (!element.empty() && (element.back() == ' ' || element.back() == '\t')) {
        element.remove_suffix(1);
      }
      if (!element.empty()) out.push_back(element);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return out;
}

bool HttpRequest::HasToken(std::string_view name, std::string_view token) const {
  const std::vector<std::string_view> all = List(name);
  const std::string wanted = LowerCase(token);
  return std::any_of(all.begin(), all.end(),
                     [&](std::string_view element) { return LowerCase(element) == wanted; });
}

std::string_view HttpRequest::First(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

struct HttpRequestParser::Beast {
  http::request_parser<http::empty_body> parser;
};

HttpRequestParser::HttpRequestParser(size_t max_bytes) : beast_(std::make_unique<Beast>()) {
  beast_->parser.header_limit(static_cast<uint32_t>(max_bytes));
  // A body would be the next protocol's first bytes: not this parser's business.
  beast_->parser.skip(true);
  beast_->parser.eager(false);
}

HttpRequestParser::~HttpRequestParser() = default;

Result<bool> HttpRequestParser::Feed(std::string_view bytes) {
  buffer_.append(bytes);
  while (!beast_->parser.is_header_done()) {
    boost::system::error_code error;
    const size_t used = beast_->parser.put(boost::asio::buffer(buffer_), error);
    buffer_.erase(0, used);
    if (error == http::error::need_more) return false;
    if (error == http::error::header_limit) {
      return ResourceExhausted("the head of the request is too large");
    }
    if (error) return InvalidArgument("not an HTTP request: ", error.message());
    if (used == 0) break;
  }
  return beast_->parser.is_header_done();
}

HttpRequest HttpRequestParser::TakeRequest() {
  const auto& message = beast_->parser.get();
  HttpRequest out;
  out.method = std::string(message.method_string());
  out.target = std::string(message.target());
  out.http11 = message.version() == 11;
  for (const auto& field : message) {
    out.headers.emplace_back(LowerCase({field.name_string().data(), field.name_string().size()}),
                             std::string(field.value()));
  }
  return out;
}

}  // namespace crisp::streaming
