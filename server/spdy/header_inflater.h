// HeaderInflater: decompresses the header blocks of one direction of one connection.
//
// Contract: SPDY Protocol Draft 3.1, section 2.6.10.1: one zlib stream (RFC 1950) per direction
//           with the SPDY/3 dictionary, each block ending in a sync flush. Every block must pass
//           through here in wire order, also those of streams that are refused.
// Threads:  one at a time.
// After a failure the zlib stream is out of step: later calls fail as well.
#ifndef CRISP_SERVER_SPDY_HEADER_INFLATER_H_
#define CRISP_SERVER_SPDY_HEADER_INFLATER_H_

#include <zlib.h>

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::spdy {

class HeaderInflater {
 public:
  explicit HeaderInflater(size_t max_inflated_bytes) : max_bytes_(max_inflated_bytes) {}
  HeaderInflater(const HeaderInflater&) = delete;
  HeaderInflater& operator=(const HeaderInflater&) = delete;
  ~HeaderInflater();

  // kInvalidArgument: not such a block; kResourceExhausted: it grows over max_inflated_bytes (no
  // more than that plus 4 KiB is ever in memory), or no memory. The view is valid until the next
  // call.
  Result<std::string_view> Inflate(std::string_view block);

 private:
  Status Start();
  Status Fail(Status why);

  const size_t max_bytes_;
  z_stream zlib_{};
  bool started_ = false;
  Status failure_;
  std::string inflated_;
};

}  // namespace crisp::spdy

#endif  // CRISP_SERVER_SPDY_HEADER_INFLATER_H_
