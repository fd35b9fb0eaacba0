// ResizeParser: terminal sizes out of a stream of JSON objects without framing.
//
// Contract: streaming.md section 6.4: {"Width":80,"Height":24}, unsigned 16 bit, any white space
//           between; other keys are skipped. A size with a zero is ignored.
// Memory:   at most one object of kLimit_bytes.
// After a failure (anything else than the above) everything that follows is ignored: bad sizes end
// resizing, not the session.
#ifndef CRISP_SERVER_STREAMING_RESIZE_PARSER_H_
#define CRISP_SERVER_STREAMING_RESIZE_PARSER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pod/exec_streams.h"

namespace crisp::streaming {

class ResizeParser {
 public:
  static constexpr size_t kLimit_bytes = 1024;

  // The newest size that is complete with `data`; sizes before it are outdated already.
  std::optional<pod::TerminalSize> Feed(std::string_view data);
  bool failed() const { return failed_; }

 private:
  bool Take(char c);

  std::string object_;  // as far as it has come
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  bool failed_ = false;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_RESIZE_PARSER_H_
