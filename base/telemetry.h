// The telemetry facade: every room records, the server exports.
//
// What:    Counter (only grows), Gauge, Histogram (seconds, fixed buckets), Span (a scope whose
//          duration goes to a histogram). Objects are made once, by name and labels, and kept by
//          reference: recording is one or two relaxed atomic additions, no lock.
// Threads: recording and Collect() from any thread. The references live as long as the Telemetry.
// Names:   Prometheus style (`crisp_<room>_<what>_<unit>[_total]`).
#ifndef CRISP_BASE_TELEMETRY_H_
#define CRISP_BASE_TELEMETRY_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/core/clock.h"

namespace crisp {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void Add(int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

class Histogram {
 public:
  // Upper bounds in seconds; the last bucket is +Inf.
  static constexpr std::array<double, 14> kBounds = {
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60};
  void Observe(Duration elapsed);
  // Cumulative counts per bucket, the +Inf bucket last.
  std::array<uint64_t, kBounds.size() + 1> CumulativeCounts() const;
  uint64_t count() const;
  double sum_seconds() const;

 private:
  std::array<std::atomic<uint64_t>, kBounds.size() + 1> buckets_{};
  std::atomic<uint64_t> sum_ns_{0};
};

// Observes the time from its making to its end.
class Span {
 public:
  explicit Span(Histogram& histogram) : histogram_(histogram), start_(MonoNow()) {}
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  ~Span() { histogram_.Observe(MonoNow() - start_); }

 private:
  Histogram& histogram_;
  MonoTime start_;
};

class Telemetry {
 public:
  Counter& GetCounter(const std::string& name, const std::string& help, Labels labels = {});
  Gauge& GetGauge(const std::string& name, const std::string& help, Labels labels = {});
  Histogram& GetHistogram(const std::string& name, const std::string& help, Labels labels = {});

  // Calls `visit(name, help, labels, const Counter|Gauge|Histogram&)` for each, names in order of
  // first registration.
  template <typename Visitor>
  void Collect(Visitor&& visit) const {
    std::lock_guard lock(mutex_);
    for (const auto& m : counters_) visit(m.name, m.help, m.labels, m.metric);
    for (const auto& m : gauges_) visit(m.name, m.help, m.labels, m.metric);
    for (const auto& m : histograms_) visit(m.name, m.help, m.labels, m.metric);
  }

 private:
  template <typename Metric>
  struct Named {
    Named(std::string n, std::string h, Labels l)
        : name(std::move(n)), help(std::move(h)), labels(std::move(l)) {}
    std::string name;
    std::string help;
    Labels labels;
    Metric metric;
  };
  template <typename Metric>
  Metric& FindOrAdd(std::deque<Named<Metric>>& all, const std::string& name,
                    const std::string& help, Labels labels);

  mutable std::mutex mutex_;  // guards the lists, not the values
  std::deque<Named<Counter>> counters_;
  std::deque<Named<Gauge>> gauges_;
  std::deque<Named<Histogram>> histograms_;
};

}  // namespace crisp

#endif  // CRISP_BASE_TELEMETRY_H_
