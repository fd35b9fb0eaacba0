#include "base/telemetry.h"

#include <gtest/gtest.h>

#include <thread>
#include <type_traits>

namespace crisp {
namespace {

using std::chrono::milliseconds;

TEST(TelemetryTest, OneObjectPerNameAndLabels) {
  Telemetry telemetry;
  Counter& a = telemetry.GetCounter("c_total", "help", {{"k", "1"}});
  Counter& b = telemetry.GetCounter("c_total", "help", {{"k", "2"}});
  for (int i = 0; i < 100; ++i) telemetry.GetCounter("c_total", "help", {{"k", std::to_string(i)}});
  EXPECT_EQ(&a, &telemetry.GetCounter("c_total", "help", {{"k", "1"}}));
  EXPECT_NE(&a, &b);
  a.Add();
  a.Add(4);
  EXPECT_EQ(a.value(), 5u);
  Gauge& gauge = telemetry.GetGauge("g", "help");
  gauge.Set(3);
  gauge.Add(-5);
  EXPECT_EQ(gauge.value(), -2);
}

TEST(TelemetryTest, HistogramBucketsAreCumulative) {
  Histogram histogram;
  histogram.Observe(std::chrono::microseconds(500));  // the bound itself belongs to its bucket
  histogram.Observe(milliseconds(2));
  histogram.Observe(std::chrono::minutes(5));
  const auto counts = histogram.CumulativeCounts();
  EXPECT_EQ(counts.front(), 1u);
  EXPECT_EQ(counts[2], 2u);
  EXPECT_EQ(counts[Histogram::kBounds.size() - 1], 2u);
  EXPECT_EQ(counts.back(), 3u);
  EXPECT_EQ(histogram.count(), 3u);
  EXPECT_NEAR(histogram.sum_seconds(), 300.0025, 1e-9);
}

TEST(TelemetryTest, SpanObservesItsScope) {
  Histogram histogram;
  {
    const Span span(histogram);
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_GE(histogram.sum_seconds(), 0.005);
}

TEST(TelemetryTest, CollectVisitsAll) {
  Telemetry telemetry;
  telemetry.GetCounter("c", "hc").Add(2);
  telemetry.GetGauge("g", "hg").Set(7);
  telemetry.GetHistogram("h", "hh", {{"l", "v"}}).Observe(milliseconds(1));
  std::string seen;
  telemetry.Collect([&](const std::string& name, const std::string& help, const Labels& labels,
                        const auto& metric) {
    seen += name + help + std::to_string(labels.size());
    if constexpr (std::is_same_v<std::decay_t<decltype(metric)>, Histogram>) {
      seen += std::to_string(metric.count());
    } else {
      seen += std::to_string(metric.value());
    }
    seen += ' ';
  });
  EXPECT_EQ(seen, "chc02 ghg07 hhh11 ");
}

TEST(TelemetryTest, ManyThreads) {
  Telemetry telemetry;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        telemetry.GetCounter("n", "h").Add();
        telemetry.GetHistogram("t", "h").Observe(milliseconds(1));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(telemetry.GetCounter("n", "h").value(), 4000u);
  EXPECT_EQ(telemetry.GetHistogram("t", "h").count(), 4000u);
}

}  // namespace
}  // namespace crisp
