// Holds the descriptor compiled into crisp against cri-v1.tsv, the table of the public CRI v1 API:
// every row of the table is in the descriptor, and the descriptor has nothing else. Both sides are
// brought into the table's form (kind, parent, name, number, label or flag, type) and compared as
// text, so a difference reads like a line of the table.

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "cri-api/api.pb.h"

namespace crisp {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

// One row of the table; the columns are always six.
struct Row {
  std::string kind;    // package, service, rpc, message, field, enum, value
  std::string parent;  // what it is declared in, relative to the package
  std::string name;
  std::string number;
  std::string flag;  // label, option or direction of streaming
  std::string type;  // of a field; request and response of an rpc

  std::string Text() const {
    return kind + "\t" + parent + "\t" + name + "\t" + number + "\t" + flag + "\t" + type;
  }
};

// protobuf 3.21 has no such option: rows that carry it are compared without, and their fields have
// to be marked as secrets in their comments.
constexpr std::string_view kRedacted = "debug_redact = true";

std::vector<Row> ReadTable() {
  std::ifstream file(CRISP_CRI_TABLE);
  EXPECT_TRUE(file.is_open()) << "cannot open " << CRISP_CRI_TABLE;
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> columns(1);
    for (char c : line) {
      if (c == '\t') {
        columns.emplace_back();
      } else {
        columns.back().push_back(c);
      }
    }
    EXPECT_EQ(columns.size(), 6U) << "malformed row: " << line;
    columns.resize(6);
    rows.push_back({columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]});
  }
  return rows;
}

// `full` without the package.
std::string Relative(const FileDescriptor& file, const std::string& full) {
  const std::string prefix = file.package() + ".";
  return full.starts_with(prefix) ? full.substr(prefix.size()) : full;
}

// Name of a declared type as it is written inside of `scope`.
std::string TypeWithin(const Descriptor& scope, const std::string& full) {
  const std::string prefix = scope.full_name() + ".";
  return full.starts_with(prefix) ? full.substr(prefix.size()) : Relative(*scope.file(), full);
}

std::string TypeOf(const FieldDescriptor& field) {
  const Descriptor& scope = *field.containing_type();
  if (field.is_map()) {
    const Descriptor& entry = *field.message_type();
    return "map<" + TypeOf(*entry.map_key()) + "," + TypeOf(*entry.map_value()) + ">";
  }
  if (field.message_type() != nullptr) return TypeWithin(scope, field.message_type()->full_name());
  if (field.enum_type() != nullptr) return TypeWithin(scope, field.enum_type()->full_name());
  return field.type_name();
}

// Label and options in the table's words. What the table never uses is spelled out as well, so that
// it shows up as a difference.
std::string FlagOf(const FieldDescriptor& field) {
  std::vector<std::string> flags;
  if (field.is_repeated() && !field.is_map()) flags.emplace_back("repeated");
  if (field.has_optional_keyword()) flags.emplace_back("optional");
  if (field.is_required()) flags.emplace_back("required");
  if (field.options().deprecated()) flags.emplace_back("deprecated = true");
  if (field.is_packable() && !field.is_packed()) flags.emplace_back("packed = false");
  if (field.real_containing_oneof() != nullptr) flags.emplace_back("oneof");
  std::string text;
  for (const std::string& flag : flags) text += (text.empty() ? "" : ", ") + flag;
  return text;
}

void AppendEnum(const EnumDescriptor& type, std::vector<Row>* rows) {
  const FileDescriptor& file = *type.file();
  const Descriptor* scope = type.containing_type();
  const std::string parent = scope == nullptr ? "" : Relative(file, scope->full_name());
  const std::string flag = type.options().allow_alias() ? "allow_alias = true" : "";
  rows->push_back({"enum", parent, type.name(), "", flag, ""});
  for (int i = 0; i < type.value_count(); ++i) {
    const auto& value = *type.value(i);
    rows->push_back({"value", Relative(file, type.full_name()), value.name(),
                     std::to_string(value.number()),
                     value.options().deprecated() ? "deprecated = true" : "", ""});
  }
}

void AppendMessage(const Descriptor& message, std::vector<Row>* rows) {
  const FileDescriptor& file = *message.file();
  const Descriptor* scope = message.containing_type();
  const std::string parent = scope == nullptr ? "" : Relative(file, scope->full_name());
  const std::string flag = message.options().deprecated() ? "deprecated = true" : "";
  rows->push_back({"message", parent, message.name(), "", flag, ""});
  for (int i = 0; i < message.enum_type_count(); ++i) AppendEnum(*message.enum_type(i), rows);
  for (int i = 0; i < message.nested_type_count(); ++i) {
    const Descriptor& nested = *message.nested_type(i);
    if (!nested.options().map_entry()) AppendMessage(nested, rows);
  }
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    rows->push_back({"field", Relative(file, message.full_name()), field.name(),
                     std::to_string(field.number()), FlagOf(field), TypeOf(field)});
  }
}

std::string FlagOf(const MethodDescriptor& rpc) {
  if (rpc.client_streaming()) return rpc.server_streaming() ? "bidi-stream" : "client-stream";
  return rpc.server_streaming() ? "server-stream" : "";
}

void AppendService(const ServiceDescriptor& service, std::vector<Row>* rows) {
  const FileDescriptor& file = *service.file();
  rows->push_back({"service", "", service.name(), "", "", ""});
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& rpc = *service.method(i);
    rows->push_back({"rpc", service.name(), rpc.name(), "", FlagOf(rpc),
                     Relative(file, rpc.input_type()->full_name()) + " -> " +
                         Relative(file, rpc.output_type()->full_name())});
  }
}

std::vector<Row> RowsOf(const FileDescriptor& file) {
  std::vector<Row> rows;
  rows.push_back({"package", "", file.package(), "", "", ""});
  for (int i = 0; i < file.service_count(); ++i) AppendService(*file.service(i), &rows);
  for (int i = 0; i < file.message_type_count(); ++i) AppendMessage(*file.message_type(i), &rows);
  for (int i = 0; i < file.enum_type_count(); ++i) AppendEnum(*file.enum_type(i), &rows);
  return rows;
}

const FileDescriptor& CompiledFile() { return *runtime::v1::VersionRequest::descriptor()->file(); }

// The table as protobuf 3.21 can express it.
std::vector<Row> ExpectedRows() {
  std::vector<Row> rows = ReadTable();
  for (Row& row : rows) {
    if (row.flag == kRedacted) row.flag.clear();
  }
  return rows;
}

std::multiset<std::string> Texts(const std::vector<Row>& rows) {
  std::multiset<std::string> texts;
  for (const Row& row : rows) texts.insert(row.Text());
  return texts;
}

std::vector<std::string> TextsOfKind(const std::vector<Row>& rows, std::string_view kind) {
  std::vector<std::string> texts;
  for (const Row& row : rows) {
    if (row.kind == kind) texts.push_back(row.Text());
  }
  return texts;
}

std::string Difference(const std::multiset<std::string>& from,
                       const std::multiset<std::string>& without) {
  std::vector<std::string> lines;
  std::set_difference(from.begin(), from.end(), without.begin(), without.end(),
                      std::back_inserter(lines));
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST(DescriptorTest, HasEveryRowOfTheTable) {
  EXPECT_EQ(Difference(Texts(ExpectedRows()), Texts(RowsOf(CompiledFile()))), "")
      << "the rows above are in the table, but not in the compiled descriptor";
}

TEST(DescriptorTest, HasNothingThatIsNotInTheTable) {
  EXPECT_EQ(Difference(Texts(RowsOf(CompiledFile())), Texts(ExpectedRows())), "")
      << "the rows above are in the compiled descriptor, but not in the table";
}

// The order is not part of the wire contract; it keeps the file comparable with the public one.
TEST(DescriptorTest, DeclaresInTheOrderOfTheTable) {
  const std::vector<Row> expected = ExpectedRows();
  const std::vector<Row> actual = RowsOf(CompiledFile());
  for (std::string_view kind : {"service", "rpc", "message", "field"}) {
    EXPECT_EQ(TextsOfKind(actual, kind), TextsOfKind(expected, kind)) << "kind: " << kind;
  }
}

TEST(DescriptorTest, HasTheCountsOfTheContract) {
  std::map<std::string, int> counts;
  for (const Row& row : RowsOf(CompiledFile())) ++counts[row.kind];
  const std::map<std::string, int> expected = {{"package", 1},   {"service", 2}, {"rpc", 43},
                                               {"message", 175}, {"field", 478}, {"enum", 11},
                                               {"value", 95}};
  EXPECT_EQ(counts, expected);
}

TEST(DescriptorTest, UsesNoFeatureThatTheTableCannotShow) {
  const FileDescriptor& file = CompiledFile();
  EXPECT_EQ(file.syntax(), FileDescriptor::SYNTAX_PROTO3);
  EXPECT_EQ(file.dependency_count(), 0);
  EXPECT_EQ(file.extension_count(), 0);
  for (int i = 0; i < file.message_type_count(); ++i) {
    const Descriptor& message = *file.message_type(i);
    EXPECT_EQ(message.oneof_decl_count(), 0) << message.full_name();
    EXPECT_EQ(message.extension_count(), 0) << message.full_name();
    EXPECT_EQ(message.extension_range_count(), 0) << message.full_name();
    EXPECT_EQ(message.reserved_range_count(), 0) << message.full_name();
    EXPECT_EQ(message.reserved_name_count(), 0) << message.full_name();
  }
}

// api.proto once more, loaded together with its comments.
class CommentTest : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream input(CRISP_CRI_COMMENTED_SET, std::ios::binary);
    google::protobuf::FileDescriptorSet set;
    ASSERT_TRUE(set.ParseFromIstream(&input)) << "cannot read " << CRISP_CRI_COMMENTED_SET;
    ASSERT_EQ(set.file_size(), 1);
    file_ = pool_.BuildFile(set.file(0));
    ASSERT_NE(file_, nullptr);
  }

  template <typename Declaration>
  static std::string CommentOf(const Declaration& declaration) {
    google::protobuf::SourceLocation location;
    if (!declaration.GetSourceLocation(&location)) return "";
    return location.leading_comments + location.trailing_comments;
  }

  // A comment says something: at least three words that are not the name itself.
  template <typename Declaration>
  static void ExpectComment(const Declaration& declaration) {
    std::istringstream words(CommentOf(declaration));
    int telling = 0;
    for (std::string word; words >> word;) {
      std::erase_if(word, [](unsigned char c) { return std::ispunct(c) != 0 && c != '_'; });
      if (!word.empty() && word != declaration.name()) ++telling;
    }
    EXPECT_GE(telling, 3) << declaration.full_name() << " needs a comment that says what it means";
  }

  static void ExpectComments(const EnumDescriptor& type) {
    ExpectComment(type);
    for (int i = 0; i < type.value_count(); ++i) ExpectComment(*type.value(i));
  }

  static void ExpectComments(const Descriptor& message) {
    ExpectComment(message);
    for (int i = 0; i < message.field_count(); ++i) ExpectComment(*message.field(i));
    for (int i = 0; i < message.enum_type_count(); ++i) ExpectComments(*message.enum_type(i));
    for (int i = 0; i < message.nested_type_count(); ++i) {
      const Descriptor& nested = *message.nested_type(i);
      if (!nested.options().map_entry()) ExpectComments(nested);
    }
  }

  DescriptorPool pool_;
  const FileDescriptor* file_ = nullptr;
};

TEST_F(CommentTest, IsReadFromTheSameFileThatIsCompiled) {
  EXPECT_EQ(Texts(RowsOf(*file_)), Texts(RowsOf(CompiledFile())));
}

TEST_F(CommentTest, StandsAtEveryServiceAndRpc) {
  for (int i = 0; i < file_->service_count(); ++i) {
    const ServiceDescriptor& service = *file_->service(i);
    ExpectComment(service);
    for (int j = 0; j < service.method_count(); ++j) ExpectComment(*service.method(j));
  }
}

TEST_F(CommentTest, StandsAtEveryMessageAndField) {
  for (int i = 0; i < file_->message_type_count(); ++i) ExpectComments(*file_->message_type(i));
}

TEST_F(CommentTest, StandsAtEveryEnumAndValue) {
  for (int i = 0; i < file_->enum_type_count(); ++i) ExpectComments(*file_->enum_type(i));
}

TEST_F(CommentTest, NamesSecretsAsSecrets) {
  int secrets = 0;
  for (const Row& row : ReadTable()) {
    if (row.flag != kRedacted) continue;
    ++secrets;
    const Descriptor* message = file_->FindMessageTypeByName(row.parent);
    ASSERT_NE(message, nullptr) << row.parent;
    const FieldDescriptor* field = message->FindFieldByName(row.name);
    ASSERT_NE(field, nullptr) << row.name;
    EXPECT_TRUE(CommentOf(*field).starts_with(" Secret: ")) << field->full_name();
  }
  EXPECT_EQ(secrets, 4);
}

}  // namespace
}  // namespace crisp
