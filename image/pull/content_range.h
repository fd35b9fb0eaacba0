// ContentRange: which bytes of a blob a 206 answer brings.
//
// Contract: RFC 9110 section 14.4, "Content-Range", for the unit "bytes".
// Errors:   kDataLoss with what the header says.
#ifndef CRISP_IMAGE_PULL_CONTENT_RANGE_H_
#define CRISP_IMAGE_PULL_CONTENT_RANGE_H_

#include <cstdint>
#include <string>

#include "base/core/result.h"

namespace crisp::image {

struct ContentRange {
  int64_t first = 0;
  int64_t last = 0;
  int64_t total = -1;  // -1: "*"
};

// "bytes 100-199/1234"
Result<ContentRange> ParseContentRange(const std::string& text);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_CONTENT_RANGE_H_
