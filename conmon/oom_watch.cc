#include "conmon/oom_watch.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/core/file.h"
#include "conmon/protocol.h"

namespace crisp::conmon {

std::optional<uint32_t> FindOomKills(std::string_view text) {
  while (!text.empty()) {
    const auto [line, rest] = internal::SplitAt(text, '\n');
    const auto [key, value] = internal::SplitAt(line, ' ');
    uint32_t count = 0;
    if (key == "oom_kill" && internal::ParseInteger(value, &count)) return count;
    text = rest;
  }
  return std::nullopt;
}

Status OomWatch::Start(const std::string& path) {
  if (path.empty()) return OkStatus();
  Status started;
  if (PathExists(JoinPath(path, "memory.oom_control"))) {
    started = StartV1(path);
  } else if (PathExists(JoinPath(path, "memory.events"))) {
    started = StartV2(JoinPath(path, "memory.events"));
  } else {
    started = StartV2(path);
  }
  if (!started.ok()) {
    Stop();
    return std::move(started).Wrap("watch for OOM kills in ", path);
  }
  Check();
  return OkStatus();
}

Status OomWatch::StartV1(const std::string& directory) {
  v1_ = true;
  counter_ = CRISP_TRY(OpenFile(JoinPath(directory, "memory.oom_control"), O_RDONLY));
  notify_.Reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!notify_) return Errno("eventfd");
  CRISP_RETURN_IF_ERROR(WriteControlFile(AT_FDCWD, JoinPath(directory, "cgroup.event_control"),
                                         Cat(notify_.get(), " ", counter_.get())));
  return poller_->Add(notify_.get(), EPOLLIN, this);
}

Status OomWatch::StartV2(const std::string& path) {
  counter_ = CRISP_TRY(OpenFile(path, O_RDONLY));
  notify_.Reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!notify_) return Errno("inotify_init1");
  if (::inotify_add_watch(notify_.get(), path.c_str(), IN_MODIFY) < 0) return Errno("inotify");
  return poller_->Add(notify_.get(), EPOLLIN, this);
}

void OomWatch::Stop() {
  if (notify_) poller_->Remove(notify_.get(), this);
  notify_.Reset();
  counter_.Reset();
}

void OomWatch::Check() {
  if (!counter_) return;
  char text[1024];
  const ssize_t n = ::pread(counter_.get(), text, sizeof(text), 0);
  if (n <= 0) return;  // ENODEV: the cgroup is gone; what was counted stays
  const uint32_t now = FindOomKills({text, static_cast<size_t>(n)}).value_or(kills_);
  if (now <= kills_) return;
  kills_ = now;
  owner_->OnOomKill();
}

void OomWatch::OnEvents(uint32_t) {
  char events[512];
  bool any = false;
  while (::read(notify_.get(), events, v1_ ? sizeof(uint64_t) : sizeof(events)) > 0) {
    any = true;
  }
  if (!any && errno != EAGAIN) return Stop();
  const uint32_t before = kills_;
  Check();
  if (!v1_ || kills_ != before || !counter_) return;
  // Before 4.13 oom_control has no counter: the notification is all that there is.
  char text[1024];
  const ssize_t size = ::pread(counter_.get(), text, sizeof(text), 0);
  if (size > 0 && !FindOomKills({text, static_cast<size_t>(size)})) {
    ++kills_;
    owner_->OnOomKill();
  }
}

}  // namespace crisp::conmon
