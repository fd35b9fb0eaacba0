// Report: what was measured, as a table for people and JSON for programs.
//
// What:    rows in the order in which they were added, grouped by section ("pods", "floor"...).
//          A row is a distribution of durations or one value with its unit.
#ifndef CRISP_TESTS_BENCH_REPORT_H_
#define CRISP_TESTS_BENCH_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "tests/bench/samples.h"

namespace crisp::bench {

class Report {
 public:
  void Add(const std::string& section, const std::string& name, const Samples& samples);
  void Add(const std::string& section, const std::string& name, double value,
           const std::string& unit);
  // Facts about the run: endpoint, image, machine.
  void AddFact(const std::string& name, const std::string& value);

  std::string Table() const;
  std::string Json() const;

 private:
  struct Row {
    std::string section;
    std::string name;
    std::optional<Samples> samples;
    double value = 0;
    std::string unit;
  };
  std::vector<std::pair<std::string, std::string>> facts_;
  std::vector<Row> rows_;
};

}  // namespace crisp::bench

#endif  // CRISP_TESTS_BENCH_REPORT_H_
