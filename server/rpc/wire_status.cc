#include "server/rpc/wire_status.h"

#include <algorithm>

#include "base/utf8.h"

namespace crisp::rpc {
namespace {

constexpr size_t kMaxEncoded_bytes = 6 << 10;

// gRPC over HTTP/2, "Percent-Encoded": everything but 0x20..0x7E without '%' takes three bytes.
size_t EncodedSize(std::string_view text) {
  size_t size = 0;
  for (const char c : text) size += (c >= ' ' && c <= '~' && c != '%') ? 1 : 3;
  return size;
}

}  // namespace

WireStatus ToWire(const Status& status) {
  WireStatus out;
  if (status.ok()) return out;
  out.code = static_cast<int>(status.code());
  out.message = SanitizeUtf8(status.message());
  while (EncodedSize(out.message) > kMaxEncoded_bytes) {
    const size_t shorter = out.message.size() * 3 / 4;
    out.message = TruncateUtf8(std::move(out.message), shorter);
  }
  return out;
}

}  // namespace crisp::rpc
