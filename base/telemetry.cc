#include "base/telemetry.h"

namespace crisp {

void Histogram::Observe(Duration elapsed) {
  const double seconds = static_cast<double>(elapsed.count()) / 1e9;
  size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(static_cast<uint64_t>(elapsed.count()), std::memory_order_relaxed);
}

std::array<uint64_t, Histogram::kBounds.size() + 1> Histogram::CumulativeCounts() const {
  std::array<uint64_t, kBounds.size() + 1> out{};
  uint64_t total = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    total += buckets_[i].load(std::memory_order_relaxed);
    out[i] = total;
  }
  return out;
}

uint64_t Histogram::count() const { return CumulativeCounts().back(); }

double Histogram::sum_seconds() const {
  return static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / 1e9;
}

template <typename Metric>
Metric& Telemetry::FindOrAdd(std::deque<Named<Metric>>& all, const std::string& name,
                             const std::string& help, Labels labels) {
  std::lock_guard lock(mutex_);
  for (auto& m : all) {
    if (m.name == name && m.labels == labels) return m.metric;
  }
  return all.emplace_back(name, help, std::move(labels)).metric;
}

Counter& Telemetry::GetCounter(const std::string& name, const std::string& help, Labels labels) {
  return FindOrAdd(counters_, name, help, std::move(labels));
}
Gauge& Telemetry::GetGauge(const std::string& name, const std::string& help, Labels labels) {
  return FindOrAdd(gauges_, name, help, std::move(labels));
}
Histogram& Telemetry::GetHistogram(const std::string& name, const std::string& help,
                                   Labels labels) {
  return FindOrAdd(histograms_, name, help, std::move(labels));
}

}  // namespace crisp
