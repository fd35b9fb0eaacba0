#include "server/cli/cri_log.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>

#include "base/core/file.h"

namespace crisp::cli {

std::optional<LogLine> ParseLogLine(std::string_view line) {
  const size_t stream = line.find(' ');
  if (stream == std::string_view::npos) return std::nullopt;
  const size_t tag = line.find(' ', stream + 1);
  if (tag == std::string_view::npos) return std::nullopt;
  const size_t text = line.find(' ', tag + 1);
  const std::string_view name = line.substr(stream + 1, tag - stream - 1);
  const std::string_view tags =
      line.substr(tag + 1, text == std::string_view::npos ? text : text - tag - 1);
  if ((name != "stdout" && name != "stderr") || tags.empty()) return std::nullopt;
  // Tags are separated by ':'; the first says whether the line ends here.
  const std::string_view first = tags.substr(0, tags.find(':'));
  if (first != "P" && first != "F") return std::nullopt;
  return LogLine{name == "stderr", first == "P",
                 text == std::string_view::npos ? std::string_view() : line.substr(text + 1)};
}

Result<LogFollower> LogFollower::Open(const std::string& path) {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return Errno("inotify_init1");
  // The directory, because the monitor makes the file; writes to the file are reported too.
  const std::string directory = path.substr(0, path.rfind('/'));
  if (::inotify_add_watch(inotify.get(), directory.c_str(), IN_CREATE | IN_MODIFY) < 0) {
    return Errno("watch ", directory);
  }
  return LogFollower(path, std::move(inotify));
}

Status LogFollower::Drain(int stdout_fd, int stderr_fd) {
  std::array<char, 64 << 10> buffer;
  while (::read(inotify_.get(), buffer.data(), buffer.size()) > 0) {
  }
  if (!file_) {
    Result<UniqueFd> opened = OpenFile(path_, O_RDONLY);
    if (!opened.ok() && opened.status().code() == Code::kNotFound) return OkStatus();
    file_ = CRISP_TRY(std::move(opened));
  }
  for (;;) {
    const ssize_t n = ::read(file_.get(), buffer.data(), buffer.size());
    if (n < 0) return Errno("read ", path_);
    if (n == 0) return OkStatus();
    rest_.append(buffer.data(), static_cast<size_t>(n));
    size_t begin = 0;
    for (size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const auto line = ParseLogLine(std::string_view(rest_).substr(begin, end - begin));
      if (!line) return DataLoss(path_, ": a line is not in the CRI's log format");
      CRISP_RETURN_IF_ERROR(WriteAll(line->is_stderr ? stderr_fd : stdout_fd,
                                     Cat(line->text, line->partial ? "" : "\n")));
    }
    rest_.erase(0, begin);
  }
}

}  // namespace crisp::cli
