// A container's log in CRI format, followed while it is written.
//
// Contract: cri-contract section 10: "<RFC 3339 time> <stdout|stderr> <P|F> <text>\n"; P is a part
//           of a line whose end follows.
// Threads:  one owner.
#ifndef CRISP_SERVER_CLI_CRI_LOG_H_
#define CRISP_SERVER_CLI_CRI_LOG_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp::cli {

struct LogLine {
  bool is_stderr = false;
  bool partial = false;
  std::string_view text;  // without the newline
};
// Empty when `line` (without its newline) is not of that format.
std::optional<LogLine> ParseLogLine(std::string_view line);

class LogFollower {
 public:
  // The file need not exist yet; its directory must.
  static Result<LogFollower> Open(const std::string& path);

  // Readable when the file may have grown (inotify(7)).
  int fd() const { return inotify_.get(); }
  // Gives what was written since the last call to the two descriptors.
  Status Drain(int stdout_fd, int stderr_fd);

 private:
  explicit LogFollower(std::string path, UniqueFd inotify)
      : path_(std::move(path)), inotify_(std::move(inotify)) {}

  std::string path_;
  UniqueFd inotify_;
  UniqueFd file_;
  std::string rest_;  // an unfinished line
};

}  // namespace crisp::cli

#endif  // CRISP_SERVER_CLI_CRI_LOG_H_
