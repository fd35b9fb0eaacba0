#include "server/config/yaml_reader.h"

#include <yaml-cpp/yaml.h>

namespace crisp::config {
namespace {

constexpr int kMaxDepth = 16;  // our deepest key has five levels; aliases could nest without end

Result<Value> Convert(const YAML::Node& node, const std::string& file, int depth) {
  Value out;
  out.file = file;
  out.line = node.Mark().line + 1;
  if (depth > kMaxDepth) return InvalidArgument(out.Where(), ": nested too deeply");
  if (node.IsScalar()) {
    out.kind = Value::Kind::kString;
    out.text = node.Scalar();
  } else if (node.IsSequence()) {
    out.kind = Value::Kind::kList;
    for (const YAML::Node& item : node)
      out.items.push_back(CRISP_TRY(Convert(item, file, depth + 1)));
  } else if (node.IsMap()) {
    out.kind = Value::Kind::kMap;
    for (const auto& entry : node) {
      Value value = CRISP_TRY(Convert(entry.second, file, depth + 1));
      value.line = entry.first.Mark().line + 1;  // the key's line is where people look
      if (!entry.first.IsScalar()) return InvalidArgument(value.Where(), ": a key must be text");
      const std::string key = entry.first.Scalar();
      if (const Value* first = out.Find(key)) {
        return InvalidArgument(value.Where(), ": ", key, ": written twice, first in line ",
                               first->line);
      }
      out.entries.emplace_back(key, std::move(value));
    }
  }
  return out;
}

}  // namespace

Result<Value> ReadYaml(const std::string& text, const std::string& file) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      return InvalidArgument(file, ":", documents[1].Mark().line + 1,
                             ": a second document begins; one is allowed");
    }
    if (documents.empty() || documents[0].IsNull()) {
      Value empty = Value::Map();
      empty.file = file;
      return empty;
    }
    Value out = CRISP_TRY(Convert(documents[0], file, 0));
    if (out.kind != Value::Kind::kMap) {
      return InvalidArgument(out.Where(), ": found ", out.KindName(),
                             ", but a configuration is a map of keys");
    }
    return out;
  } catch (const YAML::Exception& error) {
    return InvalidArgument(file, ":", error.mark.line + 1, ": not YAML: ", error.msg);
  }
}

}  // namespace crisp::config
