#include "server/streaming/delivery.h"

namespace crisp::streaming {
namespace {

constexpr size_t kChunk_bytes = 64 << 10;

}  // namespace

void HeldBudget::Change(size_t from, size_t to) {
  held_bytes_ += to - from;
  const bool full = held_bytes_ >= limit_bytes_;
  if (std::exchange(full_, full) != full) on_full_(full);
}

void Delivery::Start(Channels::Observer* observer) {
  if (stopped_) return;
  observer_ = observer;
  ScheduleRun();
}

void Delivery::Resume() {
  if (!std::exchange(paused_, false)) return;
  if (!held_.empty()) ScheduleRun();
}

void Delivery::Stop() {
  stopped_ = true;
  observer_ = nullptr;
  held_.clear();
  held_bytes_ = 0;
  Count();
}

void Delivery::Data(Channel channel, std::string_view data) {
  if (data.empty() || stopped_ || closed_) return;
  if ((ended_ >> static_cast<unsigned>(channel) & 1) != 0) return;
  if (passing()) data.remove_prefix(observer_->OnData(channel, data));
  if (!data.empty() && !stopped_) Hold(channel, data, false);
}

void Delivery::End(Channel channel) {
  const uint32_t bit = uint32_t{1} << static_cast<unsigned>(channel);
  if (stopped_ || closed_ || (ended_ & bit) != 0) return;
  ended_ |= bit;
  if (passing()) return observer_->OnInputEnd(channel);
  Hold(channel, {}, true);
}

// Also to a session that has paused: it has to know, and what it did not want is dropped.
void Delivery::Closed(const Status& why) {
  if (stopped_ || closed_) return;
  closed_ = true;
  why_ = why;
  ScheduleRun();
}

void Delivery::Hold(Channel channel, std::string_view data, bool end) {
  held_bytes_ += data.size();
  if (!end && !held_.empty() && held_.back().channel == channel && !held_.back().end &&
      held_.back().data.size() < kChunk_bytes) {
    held_.back().data.append(data);
  } else {
    held_.push_back({channel, std::string(data), end});
    held_bytes_ += sizeof(Held);  // single bytes of two channels in turns cost that
  }
  Count();
}

void Delivery::Count() { budget_->Change(std::exchange(counted_bytes_, held_bytes_), held_bytes_); }

void Delivery::ScheduleRun() {
  if (std::exchange(scheduled_, true)) return;
  Post(io_, [self = shared_from_this()] {
    self->scheduled_ = false;
    self->Run();
  });
}

void Delivery::Run() {
  while (observer_ != nullptr && !paused_ && !held_.empty()) {
    Held next = std::move(held_.front());
    held_.pop_front();
    if (next.end) {
      observer_->OnInputEnd(next.channel);
    } else {
      next.taken += observer_->OnData(next.channel, std::string_view(next.data).substr(next.taken));
    }
    if (stopped_) return;
    if (next.taken < next.data.size()) {
      held_.push_front(std::move(next));
    } else {
      held_bytes_ -= next.data.size() + sizeof(Held);
    }
  }
  Count();
  if (closed_ && observer_ != nullptr) std::exchange(observer_, nullptr)->OnClosed(why_);
}

}  // namespace crisp::streaming
