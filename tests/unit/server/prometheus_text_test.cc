#include "server/metrics/prometheus_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace crisp::metrics {
namespace {

using ::testing::HasSubstr;

TEST(PrometheusTextTest, FamiliesStandTogether) {
  Telemetry telemetry;
  telemetry.GetCounter("b_total", "Bs", {{"x", "1"}}).Add(2);
  telemetry.GetCounter("a_total", "As").Add(1);
  telemetry.GetCounter("b_total", "Bs", {{"x", "q\"\\\n"}}).Add(3);
  telemetry.GetGauge("g", "line\none").Set(-5);
  EXPECT_EQ(PrometheusText(telemetry),
            "# HELP a_total As\n# TYPE a_total counter\na_total 1\n"
            "# HELP b_total Bs\n# TYPE b_total counter\n"
            "b_total{x=\"1\"} 2\nb_total{x=\"q\\\"\\\\\\n\"} 3\n"
            "# HELP g line\\none\n# TYPE g gauge\ng -5\n");
}

TEST(PrometheusTextTest, HistogramsAreCumulative) {
  Telemetry telemetry;
  Histogram& histogram = telemetry.GetHistogram("h_seconds", "H", {{"m", "V"}});
  histogram.Observe(std::chrono::milliseconds(2));
  histogram.Observe(std::chrono::seconds(100));
  const std::string text = PrometheusText(telemetry);
  EXPECT_THAT(text, HasSubstr("# TYPE h_seconds histogram\n"
                              "h_seconds_bucket{m=\"V\",le=\"0.0005\"} 0\n"
                              "h_seconds_bucket{m=\"V\",le=\"0.001\"} 0\n"
                              "h_seconds_bucket{m=\"V\",le=\"0.0025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{m=\"V\",le=\"60\"} 1\n"
                              "h_seconds_bucket{m=\"V\",le=\"+Inf\"} 2\n"
                              "h_seconds_sum{m=\"V\"} 100.002\n"
                              "h_seconds_count{m=\"V\"} 2\n"));
}

TEST(PrometheusTextTest, ProcessMetrics) {
  const std::string text = ProcessText();
  EXPECT_THAT(text, HasSubstr("crisp_build_info{version=\"" CRISP_VERSION "\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_open_fds "));
  EXPECT_THAT(text, HasSubstr("\nprocess_resident_memory_bytes "));
}

}  // namespace
}  // namespace crisp::metrics
