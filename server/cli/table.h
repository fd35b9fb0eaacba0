// Text for people: aligned columns and sizes.
#ifndef CRISP_SERVER_CLI_TABLE_H_
#define CRISP_SERVER_CLI_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace crisp::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // Columns two spaces apart, as wide as their widest cell; control characters become '?'.
  std::string ToText() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "4.3 MiB", "812 B".
std::string HumanSize(uint64_t bytes);

}  // namespace crisp::cli

#endif  // CRISP_SERVER_CLI_TABLE_H_
