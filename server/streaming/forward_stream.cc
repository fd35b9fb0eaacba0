#include "server/streaming/forward_stream.h"

#include <charconv>

namespace crisp::streaming {
namespace {

constexpr size_t kMaxRequest_bytes = 64;

// 1 to 65535, or 0.
uint16_t ParsePort(std::string_view text) {
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, port);
  return parsed.ec == std::errc() && parsed.ptr == end ? port : uint16_t{0};
}

}  // namespace

std::optional<ForwardStream> ParseForwardStream(spdy::StreamId id, const spdy::Headers& headers) {
  const auto type = headers.Find("streamtype");
  ForwardStream out;
  out.port = ParsePort(headers.Find("port").value_or(""));
  out.is_error = type == "error";
  if (out.port == 0 || (!out.is_error && type != "data")) return std::nullopt;
  const auto request = headers.Find("requestid");
  if (request && request->size() > kMaxRequest_bytes) return std::nullopt;
  const spdy::StreamId error = out.is_error || id < 2 ? id : id - 2;
  out.request = request ? std::string(*request) : std::to_string(error);
  return out;
}

}  // namespace crisp::streaming
