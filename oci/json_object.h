// JsonObject: strict reading of a JSON object that somebody wrote by hand.
//
// What:    every access says what it wants; a key that is not known, a value of another type or a
//          number that does not fit is an error that names the path of the value. null counts as
//          missing. For the room's *_json and cdi/hooks sources only: it brings the JSON library.
// Threads: values; the document must outlive them.
// Errors:  kInvalidArgument "<path>: what; what would be right".
#ifndef CRISP_OCI_JSON_OBJECT_H_
#define CRISP_OCI_JSON_OBJECT_H_

#include <cstdint>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp::oci {

// The text as JSON; duplicate keys are an error, which nlohmann alone would not see.
Result<nlohmann::json> ParseJson(const std::string& text);

class JsonObject {
 public:
  // `where`: the path of `value` in its document, "" for the document itself.
  static Result<JsonObject> Open(const nlohmann::json& value, std::string where,
                                 std::initializer_list<std::string_view> keys);

  // nullptr: there is none, or it is null.
  const nlohmann::json* Find(std::string_view key) const;
  bool Has(std::string_view key) const { return Find(key) != nullptr; }
  // "devices[0].name"
  std::string PathOf(std::string_view key) const;

  // Missing: "".
  Result<std::string> Text(std::string_view key) const;
  // Missing or empty is an error.
  Result<std::string> GetText(std::string_view key) const;
  Result<std::string> GetAbsolutePath(std::string_view key) const;
  // A list of NAME=VALUE; missing: empty.
  Result<std::vector<std::string>> Assignments(std::string_view key) const;
  // Missing: empty.
  Result<std::vector<std::string>> Texts(std::string_view key) const;
  Result<std::map<std::string, std::string>> TextMap(std::string_view key) const;
  Result<std::optional<int64_t>> Integer(std::string_view key, int64_t min, int64_t max) const;
  // Missing: false.
  Result<bool> Flag(std::string_view key) const;

  // The objects of a list (missing: none), each with its path.
  Result<std::vector<JsonObject>> Objects(std::string_view key,
                                          std::initializer_list<std::string_view> keys) const;

  template <typename... Pieces>
  Status Wrong(std::string_view key, const Pieces&... pieces) const {
    return InvalidArgument(PathOf(key), ": ", pieces...);
  }

 private:
  JsonObject(const nlohmann::json& value, std::string where)
      : value_(&value), where_(std::move(where)) {}

  const nlohmann::json* value_;
  std::string where_;
};

}  // namespace crisp::oci

#endif  // CRISP_OCI_JSON_OBJECT_H_
