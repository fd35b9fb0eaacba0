#include "network/json_check.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "base/core/file.h"

namespace crisp::network {
namespace {

constexpr int kMaxDepth = 64;

// A parse without a document: it keeps nothing but the place of the first error.
struct Checker {
  using json = nlohmann::json;
  int depth = 0;
  bool too_deep = false;
  bool is_object = false;
  size_t error_at = 0;

  bool Enter(bool object) {
    if (depth == 0) is_object = object;
    too_deep = ++depth > kMaxDepth;
    return !too_deep;
  }
  bool Leave() {
    --depth;
    return true;
  }
  // The names are nlohmann::json_sax' own.
  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool number_integer(json::number_integer_t) { return true; }
  bool number_unsigned(json::number_unsigned_t) { return true; }
  bool number_float(json::number_float_t, const std::string&) { return true; }
  bool string(std::string&) { return true; }
  bool binary(json::binary_t&) { return true; }
  bool start_object(size_t) { return Enter(true); }
  bool key(std::string&) { return true; }
  bool end_object() { return Leave(); }
  bool start_array(size_t) { return Enter(false); }
  bool end_array() { return Leave(); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) {
    error_at = position;
    return false;
  }
};

}  // namespace

Status CheckJsonObject(std::string_view text) {
  if (Trim(text).empty()) return InvalidArgument("is empty where a JSON object is expected");
  Checker checker;
  const bool parsed = nlohmann::json::sax_parse(text.begin(), text.end(), &checker);
  if (checker.too_deep) return InvalidArgument("JSON nests deeper than ", kMaxDepth, " levels");
  if (!parsed) {
    const std::string_view before = text.substr(0, checker.error_at > 0 ? checker.error_at - 1 : 0);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t newline = before.rfind('\n');
    const size_t column = newline == before.npos ? before.size() + 1 : before.size() - newline;
    return InvalidArgument("is not JSON: error in line ", line, ", column ", column);
  }
  if (!checker.is_object) return InvalidArgument("is JSON but not an object ({...})");
  return OkStatus();
}

}  // namespace crisp::network
