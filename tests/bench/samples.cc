#include "tests/bench/samples.h"

#include <algorithm>
#include <cmath>

namespace crisp::bench {
namespace {

double Milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

Samples::Samples(const Samples& other) {
  std::lock_guard lock(other.mutex_);
  values_ = other.values_;
}

void Samples::Add(Duration elapsed) {
  std::lock_guard lock(mutex_);
  values_.push_back(elapsed);
}

size_t Samples::count() const {
  std::lock_guard lock(mutex_);
  return values_.size();
}

double Samples::PercentileMs(double percent) const {
  std::lock_guard lock(mutex_);
  if (values_.empty()) return 0;
  std::vector<Duration> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const double rank = std::ceil(percent / 100 * static_cast<double>(sorted.size()));
  const size_t index = rank < 1 ? 0 : static_cast<size_t>(rank) - 1;
  return Milliseconds(sorted[std::min(index, sorted.size() - 1)]);
}

double Samples::MeanMs() const {
  std::lock_guard lock(mutex_);
  if (values_.empty()) return 0;
  Duration sum{};
  for (const Duration value : values_) sum += value;
  return Milliseconds(sum) / static_cast<double>(values_.size());
}

}  // namespace crisp::bench
