// What a server says before its answer; where redirects lead, and what goes along.
#include <curl/curl.h>

#include <memory>

#include "base/core/file.h"
#include "fuzz.h"
#include "image/pull/header_lines.h"
#include "image/pull/http_client.h"

namespace crisp::image {
namespace {

using Url = std::unique_ptr<CURLU, void (*)(CURLU*)>;

Url NewUrl() { return {curl_url(), curl_url_cleanup}; }

std::string PartOf(const Url& url, CURLUPart which) {
  char* text = nullptr;
  std::string out;
  if (curl_url_get(url.get(), which, &text, CURLU_DEFAULT_PORT) == CURLUE_OK) out = text;
  curl_free(text);
  return out;
}

// Where libcurl would go: read as it reads CURLOPT_URL.
std::string PlaceOf(const std::string& text) {
  const Url url = NewUrl();
  constexpr unsigned kFlags = CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE;
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), kFlags) != CURLUE_OK) return "nowhere";
  std::string host = PartOf(url, CURLUPART_HOST);
  for (char& c : host) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return Cat(PartOf(url, CURLUPART_SCHEME), ' ', host, ' ', PartOf(url, CURLUPART_PORT));
}

// CURLINFO_REDIRECT_URL: what cannot be read stays as it is.
std::string TargetOf(const std::string& from, const std::string& location) {
  const Url url = NewUrl();
  if (curl_url_set(url.get(), CURLUPART_URL, from.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
      curl_url_set(url.get(), CURLUPART_URL, location.c_str(), CURLU_NON_SUPPORT_SCHEME) !=
          CURLUE_OK) {
    return location;
  }
  return PartOf(url, CURLUPART_URL);
}

// No user, password, query or fragment, as libcurl understands them.
void CheckPrintable(const std::string& address) {
  const std::string shown = PrintableUrl(address);
  CRISP_REQUIRE(shown.find_first_of("?#") == std::string::npos);
  const Url url = NewUrl();
  for (const std::string& text : {address, shown}) {
    const CURLUcode read =
        curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME);
    if (read != CURLUE_OK) return;
  }
  CRISP_REQUIRE(PartOf(url, CURLUPART_USER).empty() && PartOf(url, CURLUPART_PASSWORD).empty());
}

HttpRequest WithSecrets(const std::string& url, bool post) {
  HttpRequest out;
  out.url = url;
  out.authorization = "Basic secret";
  out.private_headers = {"X-Secret: secret"};
  out.tls.client_cert_file = "secret";
  out.tls.client_key_file = "secret";
  if (post) out.post_body = "refresh_token=secret";
  return out;
}

bool HasSecrets(const HttpRequest& request) {
  return !request.authorization.empty() || !request.private_headers.empty() ||
         !request.tls.client_cert_file.empty() || !request.tls.client_key_file.empty() ||
         !request.post_body.empty();
}

// Hands `text` over line by line.
Status AddLines(std::string_view text, HeaderLines* lines, HttpResponse* response) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n') + 1);
    const size_t size = line.empty() ? text.size() : line.size();
    CRISP_RETURN_IF_ERROR(lines->Add(text.substr(0, size), response));
    text.remove_prefix(size);
  }
  return OkStatus();
}

void CheckFields(const HttpResponse& response, std::string_view input) {
  for (const auto& [name, value] : response.headers) {
    CRISP_REQUIRE(!name.empty() && name.find_first_of(": \t\n") == std::string::npos);
    for (const char c : name) CRISP_REQUIRE(c < 'A' || c > 'Z');
    CRISP_REQUIRE(Trim(value) == value && value.find('\n') == std::string::npos);
    CRISP_REQUIRE(input.find(value) != std::string_view::npos);
    const auto same = response.headers.equal_range(name);
    CRISP_REQUIRE(response.Header(name) == same.first->second);
  }
}

}  // namespace

// Lines as a server sends them: one or more answers.
CRISP_FUZZ(header_lines) {
  constexpr std::string_view kEarlier = "HTTP/1.1 100 Continue\r\nlocation: earlier\r\n\r\n";
  constexpr std::string_view kTrailer = "location: trailer\r\n\r\n";
  HeaderLines lines;
  HttpResponse response;
  const Status added = AddLines(input, &lines, &response);
  CRISP_REQUIRE(added.ok() == (input.size() <= HeaderLines::kMaxHeader_bytes));
  CheckFields(response, input);
  if (!input.starts_with("HTTP/")) {  // what comes without a status line is of no answer
    const size_t status = input.find("\nHTTP/");
    if (status == std::string_view::npos) CRISP_REQUIRE(response.headers.empty());
  } else {  // an answer before it leaves nothing behind
    HeaderLines second;
    HttpResponse last;
    CRISP_REQUIRE(AddLines(kEarlier, &second, &last).ok());
    CRISP_REQUIRE(last.Header("location") == "earlier");
    last.body = "earlier";
    const Status after = AddLines(input, &second, &last);
    CRISP_REQUIRE(!after.ok() || (last.body.empty() && last.headers == response.headers));
  }
  // Written and read again it is the same, and trailers add nothing.
  std::string text = "HTTP/1.1 200 OK\r\n";
  for (const auto& [name, value] : response.headers) text += Cat(name, ": \t", value, " \r\n");
  text += "\r\n";
  if (text.size() + kTrailer.size() > HeaderLines::kMaxHeader_bytes) return;
  HeaderLines third;
  HttpResponse again;
  CRISP_REQUIRE(AddLines(text, &third, &again).ok() && again.headers == response.headers);
  again.body = "body";
  CRISP_REQUIRE(AddLines(kTrailer, &third, &again).ok());
  CRISP_REQUIRE(again.headers == response.headers && again.body == "body");
}

// The first line is asked, each further one is the Location of its answer.
CRISP_FUZZ(redirects) {
  fuzz::Parts parts = fuzz::SplitLine(input);
  const std::string asked(parts.first);
  CheckPrintable(asked);
  if (!asked.starts_with("http://") && !asked.starts_with("https://")) return;
  const std::string origin = OriginOf(asked);
  const std::string place = PlaceOf(asked);
  if (origin.empty()) return;  // libcurl does not go there
  CRISP_REQUIRE(OriginOf(origin + "/x") == origin);
  for (const bool post : {false, true}) {
    HttpRequest request = WithSecrets(asked, post);
    bool encrypted = asked.starts_with("https://");
    for (std::string_view rest = parts.rest; !rest.empty();) {
      const fuzz::Parts line = fuzz::SplitLine(rest);
      rest = line.rest;
      const std::string target = TargetOf(request.url, std::string(line.first));
      if (target.empty()) break;
      CheckPrintable(target);
      const std::string before = request.url;
      const Status followed = FollowRedirect(origin, target, &request);
      if (!followed.ok()) {
        CRISP_REQUIRE(followed.code() == Code::kInvalidArgument && request.url == before);
        CRISP_REQUIRE(followed.message().find('?') == std::string::npos);
        break;
      }
      CRISP_REQUIRE(request.url == target);
      CRISP_REQUIRE(!HasSecrets(request) || PlaceOf(target) == place);
      CRISP_REQUIRE(!encrypted || target.starts_with("https://"));
      encrypted = encrypted || target.starts_with("https://");
    }
  }
}

}  // namespace crisp::image
