// Samples: durations of one thing done many times.
//
// Threads: Add may be called from several; reading is for afterwards.
// Units:   nanoseconds in, milliseconds out.
#ifndef CRISP_TESTS_BENCH_SAMPLES_H_
#define CRISP_TESTS_BENCH_SAMPLES_H_

#include <cstddef>
#include <mutex>
#include <vector>

#include "base/core/clock.h"

namespace crisp::bench {

class Samples {
 public:
  Samples() = default;
  Samples(const Samples& other);

  void Add(Duration elapsed);
  size_t count() const;
  // Nearest rank; `percent` 0..100. 0 without samples.
  double PercentileMs(double percent) const;
  double MeanMs() const;

 private:
  mutable std::mutex mutex_;  // guards values_
  std::vector<Duration> values_;
};

// Runs `work` and adds its time to `samples`; returns what work returned.
template <typename Work>
auto Timed(Samples* samples, Work&& work) {
  const MonoTime start = MonoNow();
  auto result = work();
  samples->Add(MonoNow() - start);
  return result;
}

}  // namespace crisp::bench

#endif  // CRISP_TESTS_BENCH_SAMPLES_H_
