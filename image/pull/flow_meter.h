// FlowMeter: says whether a transfer waits for the network, or the network for what is done with
// the bytes.
//
// What:    the time between two arrivals is waiting, the time that one arrival keeps its receiver
//          busy (hashing, a full ring in front of the unpacker) is work. Sums are judged after each
//          8 MiB and then halved, so that the past fades.
// Threads: one owner.
#ifndef CRISP_IMAGE_PULL_FLOW_METER_H_
#define CRISP_IMAGE_PULL_FLOW_METER_H_

#include <cstdint>

#include "base/core/clock.h"

namespace crisp::image {

class FlowMeter {
 public:
  static constexpr int64_t kWindowBytes = 8 << 20;

  // `bytes` came at `arrived` and were dealt with at `done`. True at the end of a window in which
  // the network was the bottleneck: more connections might bring more.
  bool Add(MonoTime arrived, MonoTime done, int64_t bytes);

 private:
  MonoTime last_done_{};  // of the arrival before; epoch: none
  Duration waiting_{};
  Duration working_{};
  int64_t bytes_ = 0;
  int64_t window_ = 0;  // bytes since the last judgement
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_FLOW_METER_H_
