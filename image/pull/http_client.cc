#include "image/pull/http_client.h"

#include <curl/curl.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "image/pull/header_lines.h"

namespace crisp::image {
namespace {

constexpr long kMaxRedirects = 5;
constexpr long kConnectTimeoutSeconds = 30;
// Below this for the whole stall time counts as stalled; one byte now and then is an attack.
constexpr long kMinBytesPerSecond = 1024;
constexpr size_t kMaxErrorBody = 64 << 10;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// What the callbacks of one transfer share.
struct Transfer {
  const HttpRequest* request;
  CURL* curl;
  HttpResponse response;
  HeaderLines header_lines;
  bool enough = false;  // of an error's text: the rest is not read
  Status failure;
};

bool IsSuccess(long status) { return status >= 200 && status < 300; }

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  const size_t n = size * count;
  transfer->failure = transfer->header_lines.Add({data, n}, &transfer->response);
  return transfer->failure.ok() ? n : 0;
}

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  const size_t n = size * count;
  long status = 0;
  curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
  if (IsSuccess(status) && transfer->request->sink) {
    transfer->response.status = status;
    transfer->failure = transfer->request->sink(transfer->response,
                                                Bytes(reinterpret_cast<const uint8_t*>(data), n));
    return transfer->failure.ok() ? n : 0;
  }
  std::string& body = transfer->response.body;
  if (!IsSuccess(status)) {  // an error's text: as much as is useful, it may be without end
    body.append(data, std::min(n, kMaxErrorBody - body.size()));
    transfer->enough = body.size() == kMaxErrorBody;
    return transfer->enough ? 0 : n;
  }
  if (body.size() + n > transfer->request->body_limit_bytes) {
    transfer->failure =
        ResourceExhausted("the answer is larger than the ", transfer->request->body_limit_bytes,
                          " bytes that are allowed");
    return 0;
  }
  body.append(data, n);
  return n;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto* transfer = static_cast<Transfer*>(user);
  return transfer->request->stop != nullptr && transfer->request->stop->IsSet() ? 1 : 0;
}

struct HeaderList {
  curl_slist* list = nullptr;
  ~HeaderList() { curl_slist_free_all(list); }
  void Add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

void SetOptions(const HttpRequest& request, int stall_seconds, Transfer* transfer, CURL* curl,
                HeaderList* headers, char* error) {
  curl_easy_reset(curl);  // keeps connections
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);  // Perform follows
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT,
                   std::min(kConnectTimeoutSeconds, static_cast<long>(stall_seconds)));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kMinBytesPerSecond);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(stall_seconds));
  // One connection per transfer: layers run in parallel, and streams of one connection would share
  // its window.
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "crisp/" CRISP_VERSION);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  if (request.tls.skip_verify) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (request.tls.ca_pem != nullptr) {
    curl_blob blob{const_cast<char*>(request.tls.ca_pem->data()), request.tls.ca_pem->size(),
                   CURL_BLOB_NOCOPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
  }
  if (!request.tls.client_cert_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_SSLCERT, request.tls.client_cert_file.c_str());
    curl_easy_setopt(curl, CURLOPT_SSLKEY, request.tls.client_key_file.c_str());
  }
  for (const std::string& header : request.headers) headers->Add(header);
  for (const std::string& header : request.private_headers) headers->Add(header);
  if (!request.authorization.empty()) headers->Add("Authorization: " + request.authorization);
  if (request.range_to >= 0) {
    headers->Add(Cat("Range: bytes=", request.range_from, "-", request.range_to));
  } else if (request.range_from > 0) {
    headers->Add(Cat("Range: bytes=", request.range_from, "-"));
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers->list);
  if (!request.post_body.empty()) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.post_body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.post_body.c_str());
  }
}

using UrlPtr = std::unique_ptr<CURLU, void (*)(CURLU*)>;

// The Location header of an answer of which not all was read: libcurl gives it only behind the end.
// Empty when there is none. Whether it may be followed is FollowRedirect's business.
std::string LocationOf(const HttpRequest& request, const HttpResponse& response) {
  const std::string location = response.Header("location");
  if (response.status < 300 || response.status >= 400 || location.empty()) return {};
  const UrlPtr url(curl_url(), curl_url_cleanup);
  char* text = nullptr;
  std::string out;
  // Set twice: the second may be relative to the first.
  if (curl_url_set(url.get(), CURLUPART_URL, request.url.c_str(), 0) == CURLUE_OK &&
      curl_url_set(url.get(), CURLUPART_URL, location.c_str(), CURLU_NON_SUPPORT_SCHEME) ==
          CURLUE_OK &&
      curl_url_get(url.get(), CURLUPART_URL, &text, 0) == CURLUE_OK) {
    out = text;
  }
  curl_free(text);
  return out;
}

// Whether the time ran out before there was a connection: in name resolution, TCP's or TLS's
// handshake (curl_easy_getinfo(3), "TIMES").
bool EndedUnconnected(CURL* curl, CURLcode code) {
  curl_off_t pretransfer_us = 0;
  return code == CURLE_OPERATION_TIMEDOUT &&
         curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &pretransfer_us) == CURLE_OK &&
         pretransfer_us == 0;
}

Status FromCurl(CURLcode code, const char* detail, int stall_seconds) {
  const std::string text = *detail != 0 ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return Cancelled("the transfer was stopped");
    case CURLE_OPERATION_TIMEDOUT:
      return Status(Code::kDeadlineExceeded,
                    Cat("nothing or too little came for ", stall_seconds, " s"), ETIMEDOUT);
    case CURLE_UNSUPPORTED_PROTOCOL:
      return InvalidArgument("not an http or https address, or a redirect to something else");
    case CURLE_OUT_OF_MEMORY:
      return ErrnoStatus(ENOMEM, "libcurl");
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
      return Status(Code::kUnavailable, text, ECONNRESET);
    default:
      return Status(Code::kUnavailable, text, ECONNREFUSED);
  }
}

}  // namespace

void HttpClient::GlobalInit() { curl_global_init(CURL_GLOBAL_DEFAULT); }

HttpClient::HttpClient(int stall_seconds)
    : stall_seconds_(stall_seconds), curl_(curl_easy_init(), curl_easy_cleanup) {}
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::PerformOnce(const HttpRequest& request, std::string* redirect) {
  CURL* curl = curl_.get();
  if (curl == nullptr) return Internal("libcurl does not start");
  Transfer transfer{&request, curl, {}, {}, false, {}};
  HeaderList headers;
  char error[CURL_ERROR_SIZE] = "";
  SetOptions(request, stall_seconds_, &transfer, curl, &headers, error);
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.response.status);
  const char* target = nullptr;  // absolute; belongs to the handle
  curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &target);
  *redirect = target != nullptr ? target : "";
  if (transfer.enough) *redirect = LocationOf(request, transfer.response);
  // The error buffer lives on this stack.
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (!transfer.failure.ok()) return std::move(transfer.failure);
  if (code != CURLE_OK && !transfer.enough) {
    if (EndedUnconnected(curl, code)) {
      return Status(Code::kUnavailable, Cat(PrintableUrl(request.url), ": ", error), ECONNREFUSED);
    }
    return FromCurl(code, error, stall_seconds_).Wrap(PrintableUrl(request.url));
  }
  return std::move(transfer.response);
}

// Not libcurl's own following: it would take private headers along.
Result<HttpResponse> HttpClient::Perform(HttpRequest request) {
  const std::string asked = PrintableUrl(request.url);
  const std::string origin = OriginOf(request.url);
  bool elsewhere = false;
  for (int redirects = 0;; ++redirects) {
    std::string target;
    HttpResponse response = CRISP_TRY(PerformOnce(request, &target));
    response.elsewhere = elsewhere;
    if (target.empty()) return response;
    if (redirects == kMaxRedirects) {
      return InvalidArgument(asked, ": more than ", kMaxRedirects, " redirects");
    }
    CRISP_RETURN_IF_ERROR(FollowRedirect(origin, target, &request).Wrap(asked));
    elsewhere = elsewhere || OriginOf(target) != origin;
  }
}

Status FollowRedirect(const std::string& origin, const std::string& target, HttpRequest* request) {
  const std::string next = OriginOf(target);
  if (next.empty() || (request->url.starts_with("https:") && !target.starts_with("https:"))) {
    return InvalidArgument("a redirect to ", PrintableUrl(target),
                           "; allowed: https, or http from http");
  }
  if (next != origin) {
    if (!request->post_body.empty()) {
      return InvalidArgument("redirects a POST to another host, ", next);
    }
    request->authorization.clear();
    request->private_headers.clear();
    request->tls.client_cert_file.clear();
    request->tls.client_key_file.clear();
  }
  request->url = target;
  return OkStatus();
}

std::string OriginOf(const std::string& url) {
  const UrlPtr parsed(curl_url(), curl_url_cleanup);
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) !=
      CURLUE_OK) {
    return {};
  }
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    std::string out;
    if (curl_url_get(parsed.get(), which, &text, CURLU_DEFAULT_PORT) == CURLUE_OK) out = text;
    curl_free(text);
    return out;
  };
  const std::string scheme = Lower(part(CURLUPART_SCHEME));
  if (scheme != "http" && scheme != "https") return {};
  return Cat(scheme, "://", Lower(part(CURLUPART_HOST)), ':', part(CURLUPART_PORT));
}

std::string HttpResponse::Header(const std::string& lower_name) const {
  const auto it = headers.find(lower_name);
  return it == headers.end() ? std::string() : it->second;
}

std::string PrintableUrl(const std::string& url) {
  std::string out = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = out.find(":/");  // libcurl takes one to three slashes
  const size_t start = scheme == std::string::npos
                           ? 0
                           : std::min(out.find_first_not_of('/', scheme + 1), out.size());
  const size_t at = out.substr(0, out.find('/', start)).rfind('@');
  if (at != std::string::npos && at >= start) out.erase(start, at + 1 - start);
  return out;
}

std::string BasicAuthorization(const std::string& user, const std::string& password) {
  const std::string plain = Cat(user, ':', password);
  std::string out(4 * ((plain.size() + 2) / 3) + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(plain.data()),
                                static_cast<int>(plain.size()));
  out.resize(static_cast<size_t>(n));
  return "Basic " + out;
}

std::string UrlEncode(const std::string& text) {
  std::string out;
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += Cat('%', kHex[byte >> 4], kHex[byte & 15]);
    }
  }
  return out;
}

}  // namespace crisp::image
