// Headers: the name/value block of a SYN_STREAM, SYN_REPLY or HEADERS frame, inflated.
//
// Contract: SPDY Protocol Draft 3.1, section 2.6.10: u32 count, then for each header u32 length and
//           name, u32 length and value; several values of one name are joined by one NUL.
// Threads:  plain values.
#ifndef CRISP_SERVER_SPDY_HEADERS_H_
#define CRISP_SERVER_SPDY_HEADERS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp::spdy {

struct Header {
  std::string name;                 // lower case, never empty
  std::vector<std::string> values;  // at least one; may be empty strings

  friend bool operator==(const Header&, const Header&) = default;
};

class Headers {
 public:
  Headers() = default;
  explicit Headers(std::vector<Header> headers) : headers_(std::move(headers)) {}

  // The first value of a header; `name` in lower case. The view lives as long as this object.
  std::optional<std::string_view> Find(std::string_view name) const;
  const std::vector<Header>& all() const { return headers_; }

  friend bool operator==(const Headers&, const Headers&) = default;

 private:
  std::vector<Header> headers_;
};

// Names are lower-cased (clients of other makes write `streamType`). kInvalidArgument: lengths that
// do not fit, an empty name, a name twice, bytes left over. kResourceExhausted: over `max_headers`.
Result<Headers> ParseHeaders(std::string_view block, size_t max_headers);

// The uncompressed form.
std::string EncodeHeaders(const Headers& headers);

}  // namespace crisp::spdy

#endif  // CRISP_SERVER_SPDY_HEADERS_H_
