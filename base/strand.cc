#include "base/strand.h"

namespace crisp {

Status Strand::Submit(Lane::Job job) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(job));
  if (running_) return OkStatus();
  Status submitted = lane_->Submit([self = shared_from_this()] { self->RunAll(); });
  if (submitted.ok()) {
    running_ = true;
  } else {
    queue_.pop_back();
  }
  return submitted;
}

void Strand::RunAll() {
  for (;;) {
    Lane::Job job;
    {
      std::lock_guard lock(mutex_);
      if (queue_.empty()) {
        running_ = false;
        return;
      }
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    job();
  }
}

}  // namespace crisp
