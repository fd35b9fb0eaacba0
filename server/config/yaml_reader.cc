#include "server/config/yaml_reader.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace crisp::config {
namespace {

constexpr int kMaxDepth = 16;  // our deepest key has five levels; aliases could nest without end

// `left`: how many more may be converted; aliases of aliases multiply.
Result<Value> Convert(const YAML::Node& node, const std::string& file, int depth, int* left) {
  Value out;
  out.file = file;
  out.line = node.Mark().line + 1;
  if (depth > kMaxDepth) return InvalidArgument(out.Where(), ": nested too deeply");
  if (--*left < 0) {
    return InvalidArgument(out.Where(), ": too many values, aliases counted each time");
  }
  if (node.IsScalar()) {
    out.kind = Value::Kind::kString;
    out.text = node.Scalar();
    out.plain = node.Tag() == "?";  // the non-specific tag (YAML 1.2, 3.3.2)
  } else if (node.IsSequence()) {
    out.kind = Value::Kind::kList;
    for (const YAML::Node& item : node)
      out.items.push_back(CRISP_TRY(Convert(item, file, depth + 1, left)));
  } else if (node.IsMap()) {
    out.kind = Value::Kind::kMap;
    for (const auto& entry : node) {
      Value value = CRISP_TRY(Convert(entry.second, file, depth + 1, left));
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

// Sees where documents begin and builds nothing.
class DocumentCounter : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { line = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  int line = 0;  // of the last document
};

// YAML::LoadAll does not come back from text with something behind a document's end ("[1], 2"): it
// is given the same empty document again and again.
Status CheckOneDocument(const std::string& text, const std::string& file) {
  std::istringstream stream(text);  // what the library takes; its own headers bring it
  YAML::Parser parser(stream);
  DocumentCounter counter;
  if (!parser.HandleNextDocument(counter) || !parser.HandleNextDocument(counter)) {
    return OkStatus();
  }
  return InvalidArgument(file, ":", counter.line, ": a second document begins; one is allowed");
}

}  // namespace

Result<Value> ReadYaml(const std::string& text, const std::string& file, int max_values) {
  try {
    CRISP_RETURN_IF_ERROR(CheckOneDocument(text, file));
    const YAML::Node document = YAML::Load(text);
    if (document.IsNull()) {
      Value empty = Value::Map();
      empty.file = file;
      return empty;
    }
    int left = max_values;
    Value out = CRISP_TRY(Convert(document, file, 0, &left));
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
