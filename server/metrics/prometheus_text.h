// The Prometheus text exposition format of everything in Telemetry.
//
// Contract: text format version 0.0.4: a family's lines stand together under one HELP and TYPE;
//           histograms have cumulative _bucket lines with le, then _sum and _count.
// Threads:  any; values are read without stopping those who count.
#ifndef CRISP_SERVER_METRICS_PROMETHEUS_TEXT_H_
#define CRISP_SERVER_METRICS_PROMETHEUS_TEXT_H_

#include <string>

#include "base/telemetry.h"

namespace crisp::metrics {

inline constexpr char kContentType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string PrometheusText(const Telemetry& telemetry);
// Also crisp_build_info and the process_* metrics that every client library has.
std::string ProcessText();

}  // namespace crisp::metrics

#endif  // CRISP_SERVER_METRICS_PROMETHEUS_TEXT_H_
