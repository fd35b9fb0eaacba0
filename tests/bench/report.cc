#include "tests/bench/report.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace crisp::bench {
namespace {

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char line[256];
  std::snprintf(line, sizeof(line), format, values...);
  return line;
}

}  // namespace

void Report::Add(const std::string& section, const std::string& name, const Samples& samples) {
  Row row;
  row.section = section;
  row.name = name;
  row.samples.emplace(samples);
  row.unit = "ms";
  rows_.push_back(std::move(row));
}

void Report::Add(const std::string& section, const std::string& name, double value,
                 const std::string& unit) {
  Row row;
  row.section = section;
  row.name = name;
  row.value = value;
  row.unit = unit;
  rows_.push_back(std::move(row));
}

void Report::AddFact(const std::string& name, const std::string& value) {
  facts_.emplace_back(name, value);
}

std::string Report::Table() const {
  std::string text;
  for (const auto& [name, value] : facts_) text += name + ": " + value + "\n";
  std::string section;
  for (const Row& row : rows_) {
    if (row.section != section) {
      section = row.section;
      text += Format("\n%-34s %7s %9s %9s %9s %9s\n", section.c_str(), "count", "p50 ms", "p90 ms",
                     "p99 ms", "max ms");
    }
    if (row.samples.has_value()) {
      text +=
          Format("  %-32s %7zu %9.2f %9.2f %9.2f %9.2f\n", row.name.c_str(), row.samples->count(),
                 row.samples->PercentileMs(50), row.samples->PercentileMs(90),
                 row.samples->PercentileMs(99), row.samples->PercentileMs(100));
    } else {
      text += Format("  %-32s %17.2f %s\n", row.name.c_str(), row.value, row.unit.c_str());
    }
  }
  return text;
}

std::string Report::Json() const {
  nlohmann::ordered_json root;
  for (const auto& [name, value] : facts_) root["facts"][name] = value;
  for (const Row& row : rows_) {
    nlohmann::ordered_json& to = root[row.section][row.name];
    to["unit"] = row.unit;
    if (row.samples.has_value()) {
      to["count"] = row.samples->count();
      to["mean"] = row.samples->MeanMs();
      for (const int percent : {50, 90, 95, 99, 100}) {
        to["p" + std::to_string(percent)] = row.samples->PercentileMs(percent);
      }
    } else {
      to["value"] = row.value;
    }
  }
  return root.dump(2) + "\n";
}

}  // namespace crisp::bench
