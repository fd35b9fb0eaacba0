// PullPace: whether a pull brings enough to count among those at work, or waits for its registry.
//
// What:    looks once in kWindow at what was received in all. Less than kLeastBytes since the look
//          before is slow; who begins to fetch has one window before it can be. What unpacks and
//          has nothing left to receive is at work, and so is what brings little because this
//          machine takes no more: half a window that received bytes waited for the disk or a core.
// Threads: one owner.
#ifndef CRISP_IMAGE_PULL_PACE_H_
#define CRISP_IMAGE_PULL_PACE_H_

#include <cstdint>

#include "base/core/clock.h"

namespace crisp::image {

class PullPace {
 public:
  static constexpr Duration kWindow = std::chrono::seconds(3);
  // 340 KiB/s take a hundredth of what one core inflates, hashes and writes.
  static constexpr int64_t kLeastBytes = 1 << 20;

  explicit PullPace(MonoTime start) : last_look_(start) {}
  MonoTime next_look() const { return last_look_ + kWindow; }
  struct Seen {  // since the pull's start
    int64_t received_bytes = 0;
    Duration held{};  // that received bytes waited for what is done with them
  };
  // At next_look() or later: is it slow? `unpacks`: it does something, and all of that is here.
  bool IsSlow(MonoTime now, Seen seen, bool unpacks);
  // It had nothing to fetch until now.
  void Restart(MonoTime now, Seen seen);

 private:
  MonoTime last_look_;
  Seen last_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_PACE_H_
