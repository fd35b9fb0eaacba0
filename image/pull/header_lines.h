// HeaderLines: what a server sends before its answer's body, line by line as libcurl hands it over.
//
// What:     a status line begins a new answer (behind "100 Continue", or a proxy's answer to
//           CONNECT): nothing stays of the one before.
// Contract: RFC 9112 sections 2.1 and 5. Trailers are no headers (RFC 9110 section 6.5.1), and a
//           line that goes on with the one before is none of its own.
// Errors:   kResourceExhausted when all answers of a transfer have more than kMaxHeader_bytes.
#ifndef CRISP_IMAGE_PULL_HEADER_LINES_H_
#define CRISP_IMAGE_PULL_HEADER_LINES_H_

#include <cstddef>
#include <string_view>

#include "base/core/result.h"
#include "image/pull/http_client.h"

namespace crisp::image {

class HeaderLines {
 public:
  static constexpr size_t kMaxHeader_bytes = 256 << 10;

  // `line` with its end. Fills the headers of `response`; empties all but its status at a new
  // answer.
  Status Add(std::string_view line, HttpResponse* response);

 private:
  size_t bytes_ = 0;
  bool open_ = false;  // between a status line and the empty line
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_HEADER_LINES_H_
