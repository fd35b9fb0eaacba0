#include "image/pull/flow_meter.h"

namespace crisp::image {
namespace {

// One connection that brings so much is about as fast as one layer is inflated, hashed and written
// (120 MiB/s of compressed bytes on two cores): more of them are not worth their memory.
constexpr int64_t kFastBytesPerSecond = 64 << 20;

}  // namespace

bool FlowMeter::Add(MonoTime arrived, MonoTime done, int64_t bytes) {
  if (last_done_ != MonoTime{}) waiting_ += arrived - last_done_;
  working_ += done - arrived;
  last_done_ = done;
  bytes_ += bytes;
  window_ += bytes;
  if (window_ < kWindowBytes) return false;
  const double waited = std::chrono::duration<double>(waiting_).count();
  const bool slow = static_cast<double>(bytes_) < waited * kFastBytesPerSecond;
  const bool out = slow && waiting_ > 2 * working_;
  waiting_ /= 2;
  working_ /= 2;
  bytes_ /= 2;
  window_ = 0;
  return out;
}

}  // namespace crisp::image
