#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <string>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "tests/bench/measure.h"

namespace crisp::bench {
namespace {

constexpr size_t kLine_bytes = 100;
constexpr size_t kPrefix_bytes = sizeof("2026-01-01T00:00:00.000000000Z stdout F ") - 1;

// "0000000012 xxxx...\n": 100 bytes, numbered, so that a lost or torn line shows.
void AppendLine(size_t number, std::string* out) {
  const std::string digits = std::to_string(number);
  out->append(10 - digits.size(), '0').append(digits).append(" ");
  out->append(kLine_bytes - 12, 'x').append("\n");
}

Status WriteLines(const std::string& path, size_t lines) {
  UniqueFd file = CRISP_TRY(OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  std::string chunk;
  for (size_t i = 0; i < lines; ++i) {
    AppendLine(i, &chunk);
    if (chunk.size() > (1 << 20) || i + 1 == lines) {
      CRISP_RETURN_IF_ERROR(WriteAll(file.get(), chunk));
      chunk.clear();
    }
  }
  return file.Close();
}

int64_t SizeOf(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

// Every line once, in order, whole.
Status CheckLog(const std::string& path, size_t lines) {
  const std::string text = CRISP_TRY(ReadFile(path, size_t{2} << 30));
  size_t begin = 0;
  std::string wanted;
  for (size_t i = 0; i < lines; ++i) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) return DataLoss("line ", i, " of ", lines, " is missing");
    wanted.clear();
    AppendLine(i, &wanted);
    const std::string_view line(text.data() + begin, end - begin + 1);
    if (!line.ends_with(wanted) || line.find(" stdout F ") == std::string_view::npos) {
      return DataLoss("line ", i, " is '", line.substr(0, 80), "'");
    }
    begin = end + 1;
  }
  return begin == text.size() ? OkStatus() : DataLoss("there are more lines than were written");
}

// Seconds from `started_at_ns` until `size` bytes are in the file.
Result<double> SecondsUntil(const std::string& path, int64_t size, int64_t started_at_ns) {
  const MonoTime limit = MonoNow() + std::chrono::minutes(5);
  while (SizeOf(path) < size) {
    if (MonoNow() > limit) return DeadlineExceeded(path, " has ", SizeOf(path), " bytes only");
    ::poll(nullptr, 0, 1);
  }
  return static_cast<double>(WallNowNs() - started_at_ns) / 1e9;
}

}  // namespace

Status MeasureLog(const Options& options, Report* report) {
  const size_t lines = (static_cast<size_t>(options.log_mib) << 20) / kLine_bytes;
  const std::string dir = Cat(options.log_root, "/source");
  CRISP_RETURN_IF_ERROR(EnsureDirectory(dir));
  CRISP_RETURN_IF_ERROR(WriteLines(Cat(dir, "/lines"), lines));
  v1::Mount mount;
  mount.set_host_path(dir);
  mount.set_container_path("/bench");
  mount.set_readonly(true);
  Load load(options);
  const Pod pod = CRISP_TRY(load.BringUp({"cat", "/bench/lines"}, "log", {mount}));
  const std::string log = Cat(pod.config.log_directory(), "/log");
  const int64_t whole = static_cast<int64_t>(lines * (kLine_bytes + kPrefix_bytes));
  v1::ContainerStatusRequest status;
  status.set_container_id(pod.container);
  const int64_t started_at_ns =
      CRISP_TRY(load.Call("ContainerStatus", status)).status().started_at();
  // Zones other than Z make lines five bytes longer; then this ends a little early, and CheckLog
  // still wants every line.
  const double seconds = CRISP_TRY(SecondsUntil(log, whole, started_at_ns));
  CRISP_RETURN_IF_ERROR(load.TakeDown(pod));
  CRISP_RETURN_IF_ERROR(CheckLog(log, lines));
  report->Add("log", "100-byte lines", static_cast<double>(lines), "lines, all intact");
  report->Add("log", "rate", static_cast<double>(lines * kLine_bytes) / 1e6 / seconds, "MB/s");
  return RemoveTreeAt(options.log_root);
}

}  // namespace crisp::bench
