#include "base/core/process_stat.h"

#include <charconv>

#include "base/core/file.h"

namespace crisp {
namespace {

constexpr int kWaitStatusField = 52;
constexpr size_t kLimit_bytes = 4096;  // the line has some 350

// All of `word`, in range.
template <typename Integer>
bool ParseNumber(std::string_view word, Integer* out) {
  const char* const end = word.data() + word.size();
  const auto parsed = std::from_chars(word.data(), end, *out);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

// `word` is field `field`, of field 2 the closing parenthesis.
bool TakeField(int field, std::string_view word, ProcessStat* out) {
  switch (field) {
    case 2:
      return word == ")";
    case 3:
      if (word.size() == 1) out->state = word.front();
      return word.size() == 1;
    case 4:
      return ParseNumber(word, &out->parent);
    case 6:
      return ParseNumber(word, &out->session);
    case 9:
      return ParseNumber(word, &out->flags);
    case 22:
      return ParseNumber(word, &out->start_time);
    default:
      return !word.empty();
  }
}

}  // namespace

Result<ProcessStat> ParseProcessStat(std::string_view text) {
  const size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return DataLoss("no name in parentheses");
  std::string_view rest = text.substr(name_end);
  ProcessStat out;
  for (int field = 2; field <= 22; ++field) {
    // A blank is behind each: where the line is cut, a number may be, too.
    const size_t end = rest.find(' ');
    if (end == std::string_view::npos || !TakeField(field, rest.substr(0, end), &out)) {
      return DataLoss("field ", field, " is not as proc_pid_stat(5) says");
    }
    rest.remove_prefix(end + 1);
  }
  // What follows may be missing.
  for (int field = 23; field < kWaitStatusField; ++field) {
    const size_t end = rest.find(' ');
    if (end == std::string_view::npos) return out;
    rest.remove_prefix(end + 1);
  }
  int status = 0;
  if (ParseNumber(Trim(rest.substr(0, rest.find(' '))), &status)) out.wait_status = status;
  return out;
}

Result<ProcessStat> ReadProcessStat(pid_t pid) {
  const std::string path = Cat("/proc/", pid, "/stat");
  const std::string text = CRISP_TRY(ReadFile(path, kLimit_bytes));
  return ParseProcessStat(text).Wrap(path);
}

}  // namespace crisp
