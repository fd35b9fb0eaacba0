#include "conmon/line_formatter.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace crisp::conmon {
namespace {

void PutDigits(uint64_t value, int digits, char* out) {
  for (int i = digits - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

}  // namespace

// Not gmtime_r: that reads the time zone files on its first call, for nothing.
void FormatTimestamp(int64_t ns, char* out) {
  using std::chrono::days;
  const std::chrono::sys_time<std::chrono::nanoseconds> time{std::chrono::nanoseconds(ns)};
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::memcpy(out, "0000-00-00T00:00:00.000000000Z", kTimestampSize);
  PutDigits(static_cast<uint64_t>(static_cast<int>(date.year())), 4, out);
  PutDigits(static_cast<unsigned>(date.month()), 2, out + 5);
  PutDigits(static_cast<unsigned>(date.day()), 2, out + 8);
  PutDigits(static_cast<uint64_t>(clock.hours().count()), 2, out + 11);
  PutDigits(static_cast<uint64_t>(clock.minutes().count()), 2, out + 14);
  PutDigits(static_cast<uint64_t>(clock.seconds().count()), 2, out + 17);
  PutDigits(static_cast<uint64_t>(clock.subseconds().count()), 9, out + 20);
}

LineFormatter::Prefix LineFormatter::MakePrefix(int64_t now_ns) const {
  Prefix prefix;
  FormatTimestamp(now_ns, prefix.text);
  char* at = prefix.text + kTimestampSize;
  *at++ = ' ';
  std::memcpy(at, stream_.data(), stream_.size());
  at += stream_.size();
  std::memcpy(at, " F ", 3);
  prefix.size = static_cast<size_t>(at + 3 - prefix.text);
  return prefix;
}

void LineFormatter::Put(const Prefix& prefix, char tag, std::string_view content, LogBatch* batch) {
  // The copy of a whole Prefix is of constant size and so a few moves; Reserve has room for it.
  char* out = batch->Reserve(kOverhead + content.size());
  std::memcpy(out, prefix.text, kOverhead);
  out[prefix.size - 2] = tag;
  std::memcpy(out + prefix.size, content.data(), content.size());
  out[prefix.size + content.size()] = '\n';
  batch->Commit(prefix.size + content.size() + 1);
}

size_t LineFormatter::Format(std::string_view data, int64_t now_ns, LogBatch* batch) {
  const Prefix prefix = MakePrefix(now_ns);
  size_t at = 0;
  while (at < data.size()) {
    const std::string_view rest = data.substr(at);
    // A line of exactly `limit` bytes is whole, so its newline may come one byte after that.
    const size_t window = std::min(rest.size(), limit_ + 1);
    const void* newline = std::memchr(rest.data(), '\n', window);
    if (newline != nullptr) {
      const auto size = static_cast<size_t>(static_cast<const char*>(newline) - rest.data());
      Put(prefix, 'F', rest.substr(0, size), batch);
      at += size + 1;
    } else if (window > limit_) {
      Put(prefix, 'P', rest.substr(0, limit_), batch);
      at += limit_;
    } else {
      break;
    }
  }
  return at;
}

void LineFormatter::Finish(std::string_view rest, int64_t now_ns, LogBatch* batch) {
  if (!rest.empty()) Put(MakePrefix(now_ns), 'P', rest, batch);
}

}  // namespace crisp::conmon
