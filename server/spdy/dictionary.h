// The dictionary that SPDY/3 header blocks are compressed with.
//
// Contract: SPDY Protocol Draft 3.1, section 2.6.10.1: 65 words, each behind its u32 length, then
//           text. 1423 bytes, Adler-32 0xe3c6a7c2 (it stands in the first block as DICTID).
#ifndef CRISP_SERVER_SPDY_DICTIONARY_H_
#define CRISP_SERVER_SPDY_DICTIONARY_H_

#include <array>
#include <cstddef>
#include <string_view>

namespace crisp::spdy {
namespace internal {

inline constexpr std::string_view kDictionaryWords[] = {
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
};

inline constexpr std::string_view kDictionaryText =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 "
    "Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 "
    "Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, "
    "Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

constexpr size_t DictionarySize() {
  size_t size = kDictionaryText.size();
  for (std::string_view word : kDictionaryWords) size += 4 + word.size();
  return size;
}

constexpr std::array<unsigned char, DictionarySize()> MakeDictionary() {
  std::array<unsigned char, DictionarySize()> out{};
  size_t at = 0;
  for (std::string_view word : kDictionaryWords) {
    out[at + 3] = static_cast<unsigned char>(word.size());  // no word is longer than 255
    at += 4;
    for (char c : word) out[at++] = static_cast<unsigned char>(c);
  }
  for (char c : kDictionaryText) out[at++] = static_cast<unsigned char>(c);
  return out;
}

}  // namespace internal

inline constexpr std::array<unsigned char, 1423> kDictionary = internal::MakeDictionary();

}  // namespace crisp::spdy

#endif  // CRISP_SERVER_SPDY_DICTIONARY_H_
