#include <gtest/gtest.h>

#include "server/config/value.h"
#include "server/config/yaml_reader.h"

namespace crisp::config {
namespace {

TEST(ValueTest, JsonIsEscaped) {
  Value value = Value::Map();
  value.Add("a\"b", Value::String("line\n\x01 \\"));
  value.Add("n", Value::Int(-3));
  value.Add("t", Value::Bool(true));
  value.Add("l", Value::List());
  value.Add("x", Value());
  EXPECT_EQ(ToJson(value), R"({"a\"b":"line\n\u0001 \\","n":-3,"t":true,"l":[],"x":null})");
}

TEST(ValueTest, YamlQuotesWhatCouldBeSomethingElse) {
  for (const char* text :
       {"true", "no",   "~",  "null", "12", "0x1f", "1e3", "",   " a", "a: b", "#x", "-",
        "- a",  "a\nb", "*x", "&x",   "!x", "{",    "[",   "\"", "'",  "%",    "@"}) {
    Value value = Value::Map();
    value.Add("key", Value::String(text));
    const std::string yaml = ToYaml(value);
    const Result<Value> read = ReadYaml(yaml, "f");
    ASSERT_TRUE(read.ok()) << yaml;
    ASSERT_NE(read->Find("key"), nullptr) << yaml;
    EXPECT_EQ(read->Find("key")->text, text) << yaml;
    EXPECT_EQ(read->Find("key")->kind, Value::Kind::kString) << yaml;
  }
}

TEST(ValueTest, MergeReplacesListsAndMergesMaps) {
  Value base = *ReadYaml("a: {b: 1, c: 2}\nl: [1, 2]\n", "base");
  Merge(&base, *ReadYaml("a: {c: 3, d: 4}\nl: [5]\nk: 6\n", "over"));
  EXPECT_EQ(ToYaml(base), "a:\n  b: \"1\"\n  c: \"3\"\n  d: \"4\"\nl:\n  - \"5\"\nk: \"6\"\n");
  EXPECT_EQ(base.Find("a")->Find("c")->Where(), "over:1");
  Merge(&base, *ReadYaml("a: null\n", "third"));
  EXPECT_EQ(base.Find("a"), nullptr);
}

TEST(YamlReaderTest, NestingIsBounded) {
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "[";
  for (int i = 0; i < 100; ++i) deep += "]";
  EXPECT_FALSE(ReadYaml("a: " + deep, "f").ok());
  EXPECT_TRUE(ReadYaml("", "f").ok());
}

}  // namespace
}  // namespace crisp::config
