// LineFormatter: turns the bytes of one stream into records of the CRI log.
//
// Contract: cri-contract section 10: `<RFC 3339 with 9 digits, UTC> <stream> <tag> <content>\n`. A
//           line longer than the limit is cut into P records of exactly `limit` bytes and a rest
//           that ends with the line's own tag; the space after the tag stays when content is empty.
// How often the bytes were handed over does not matter: any chunking of the same bytes gives the
// same records (but for their times).
// Threads:  one.
// Units:    wall clock, ns since the epoch; limit in bytes of content.
#ifndef CRISP_CONMON_LINE_FORMATTER_H_
#define CRISP_CONMON_LINE_FORMATTER_H_

#include <cstdint>
#include <string_view>

#include "conmon/log_batch.h"

namespace crisp::conmon {

class LineFormatter {
 public:
  // What a record has beside its content.
  static constexpr size_t kOverhead = 48;

  // `stream`: "stdout" or "stderr"; must outlive this.
  LineFormatter(std::string_view stream, size_t limit) : stream_(stream), limit_(limit) {}

  // Writes the records that `data` completes. Returns how many bytes they took; the rest, at most
  // `limit` bytes of an unfinished line, must stand in front of the data of the next call.
  size_t Format(std::string_view data, int64_t now_ns, LogBatch* batch);
  // At the end of the stream, or to show what there is: `rest` is what the last Format left. It
  // becomes a P record, and the line goes on in the next one.
  void Finish(std::string_view rest, int64_t now_ns, LogBatch* batch);

 private:
  struct Prefix {
    char text[kOverhead];
    size_t size;
  };
  Prefix MakePrefix(int64_t now_ns) const;
  static void Put(const Prefix& prefix, char tag, std::string_view content, LogBatch* batch);

  std::string_view stream_;
  size_t limit_;
};

// "2026-11-24T10:11:12.123456789Z": exactly 30 characters for the years 1970 to 9999.
inline constexpr size_t kTimestampSize = 30;
void FormatTimestamp(int64_t ns, char* out);

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_LINE_FORMATTER_H_
