#include "pod/container.h"

#include <algorithm>

#include "base/core/clock.h"

namespace crisp::pod {

void SetFinished(int64_t at_ns, ContainerRow* row) {
  row->finished_at_ns = std::max({at_ns, row->started_at_ns, row->created_at_ns});
}

void SetExited(int exit_code, std::string reason, std::string message, ContainerRow* row) {
  row->state = ContainerState::kExited;
  row->exit_code = exit_code;
  row->reason = std::move(reason);
  row->message = std::move(message);
  SetFinished(WallNowNs(), row);
}

std::string Container::LogPath() const {
  const std::string& directory = sandbox_->config().log_directory();
  if (directory.empty() || config().log_path().empty()) return {};
  return JoinPath(directory, config().log_path());
}

}  // namespace crisp::pod
