#include "server/metrics/prometheus_text.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <map>
#include <type_traits>

#include "base/core/dir_fd.h"
#include "base/core/file.h"

namespace crisp::metrics {
namespace {

struct Family {
  std::string head;
  std::string lines;
};

std::string Escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (quotes && c == '"')) {
      out += {'\\', c};
    } else {
      out += c;
    }
  }
  return out;
}

// {a="b",le="0.5"}; empty without labels.
std::string LabelText(const Labels& labels, std::string_view le = {}) {
  std::string out;
  for (const auto& [key, value] : labels) {
    out += Cat(out.empty() ? "" : ",", key, "=\"", Escaped(value, true), '"');
  }
  if (!le.empty()) out += Cat(out.empty() ? "" : ",", "le=\"", le, '"');
  return out.empty() ? out : Cat('{', out, '}');
}

// The shortest text that reads back as the same number.
std::string Number(double value) {
  std::array<char, 64> text{};
  const auto result =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  return std::string(text.data(), result.ptr);
}

void AppendLines(const std::string& name, const Labels& labels, const Histogram& histogram,
                 std::string* out) {
  const auto counts = histogram.CumulativeCounts();
  for (size_t i = 0; i < counts.size(); ++i) {
    const std::string le =
        i < Histogram::kBounds.size() ? Number(Histogram::kBounds[i]) : std::string("+Inf");
    *out += Cat(name, "_bucket", LabelText(labels, le), ' ', counts[i], '\n');
  }
  *out += Cat(name, "_sum", LabelText(labels), ' ', Number(histogram.sum_seconds()), '\n');
  *out += Cat(name, "_count", LabelText(labels), ' ', counts.back(), '\n');
}

std::string Head(const std::string& name, const std::string& help, std::string_view type) {
  return Cat("# HELP ", name, ' ', Escaped(help, false), "\n# TYPE ", name, ' ', type, '\n');
}

}  // namespace

std::string PrometheusText(const Telemetry& telemetry) {
  std::map<std::string, Family> families;
  telemetry.Collect([&](const std::string& name, const std::string& help, const Labels& labels,
                        const auto& metric) {
    using Metric = std::decay_t<decltype(metric)>;
    Family& family = families[name];
    if constexpr (std::is_same_v<Metric, Histogram>) {
      if (family.head.empty()) family.head = Head(name, help, "histogram");
      AppendLines(name, labels, metric, &family.lines);
    } else {
      constexpr bool kCounter = std::is_same_v<Metric, Counter>;
      if (family.head.empty()) family.head = Head(name, help, kCounter ? "counter" : "gauge");
      family.lines += Cat(name, LabelText(labels), ' ', metric.value(), '\n');
    }
  });
  std::string out;
  for (const auto& [name, family] : families) out += Cat(family.head, family.lines);
  return out;
}

std::string ProcessText() {
  std::string out = Cat(Head("crisp_build_info", "Version of the daemon", "gauge"),
                        "crisp_build_info{version=\"" CRISP_VERSION "\"} 1\n");
  if (const auto statm = ReadFile("/proc/self/statm", 256); statm.ok()) {
    // proc(5): total program size, then resident set size, in pages.
    const size_t space = statm->find(' ');
    int64_t pages = 0;
    if (space != std::string::npos) {
      std::from_chars(statm->data() + space + 1, statm->data() + statm->size(), pages);
    }
    out += Cat(Head("process_resident_memory_bytes", "Resident memory size in bytes", "gauge"),
               "process_resident_memory_bytes ", pages * ::sysconf(_SC_PAGESIZE), '\n');
  }
  if (const auto dir = DirFd::Open("/proc/self/fd"); dir.ok()) {
    if (const auto names = dir->List(); names.ok()) {
      out += Cat(Head("process_open_fds", "Number of open file descriptors", "gauge"),
                 "process_open_fds ", names->size(), '\n');
    }
  }
  return out;
}

}  // namespace crisp::metrics
