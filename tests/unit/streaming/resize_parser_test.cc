#include "server/streaming/resize_parser.h"

#include <gtest/gtest.h>

namespace crisp::streaming {
namespace {

std::string Text(const std::optional<pod::TerminalSize>& size) {
  return size ? Cat(size->columns, 'x', size->rows) : "none";
}

TEST(ResizeParserTest, OneObject) {
  ResizeParser parser;
  EXPECT_EQ(Text(parser.Feed(R"({"Width":80,"Height":24})")), "80x24");
  EXPECT_EQ(Text(parser.Feed("\n")), "none");
  EXPECT_EQ(Text(parser.Feed(" {\t\"Height\" : 1 , \"Width\" :\r\n65535 }\n")), "65535x1");
  EXPECT_FALSE(parser.failed());
}

TEST(ResizeParserTest, CutAnywhere) {
  const std::string text = "{\"Width\":80,\"Height\":24}\n{\"Width\":132,\"Height\":50}\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    ResizeParser parser;
    auto size = parser.Feed(std::string_view(text).substr(0, cut));
    if (const auto later = parser.Feed(std::string_view(text).substr(cut))) size = later;
    EXPECT_EQ(Text(size), "132x50") << cut;
  }
  ResizeParser parser;
  std::string seen;
  for (const char c : text) {
    if (const auto size = parser.Feed({&c, 1})) seen += Text(size) + ' ';
  }
  EXPECT_EQ(seen, "80x24 132x50 ");
}

TEST(ResizeParserTest, TheNewestCounts) {
  ResizeParser parser;
  EXPECT_EQ(Text(parser.Feed(R"({"Width":1,"Height":1}{"Width":2,"Height":2})")), "2x2");
}

TEST(ResizeParserTest, ZerosAreIgnored) {
  ResizeParser parser;
  EXPECT_EQ(Text(parser.Feed(R"({"Width":0,"Height":24}{"Width":80}{})")), "none");
  EXPECT_EQ(Text(parser.Feed(R"({"Width":80,"Height":24}{"Width":0,"Height":0})")), "80x24");
  EXPECT_FALSE(parser.failed());
}

TEST(ResizeParserTest, OtherKeysAreSkipped) {
  ResizeParser parser;
  EXPECT_EQ(Text(parser.Feed(R"({"a":"}\"{","Width":80,"b":{"c":[1,"]",{}],"d":null},)"
                             R"("e":-1.5e3,"f":[],"Height":24,"g":true})")),
            "80x24");
  EXPECT_FALSE(parser.failed());
}

TEST(ResizeParserTest, ErrorsEndResizing) {
  for (const char* bad :
       {"x", "[1]", "\"Width\"", "{80,24}", R"({"Width":-1})", R"({"Width":65536})",
        R"({"Width":"80"})", R"({"Width":8 0})", R"({"Width"})", R"({"Width":})", R"({"Width":1,})",
        R"({"a":})", R"({"a":]})", R"({"a":1]})", R"({,})", R"({"a" 1})", R"({"Width":1.5})"}) {
    ResizeParser parser;
    EXPECT_EQ(Text(parser.Feed(bad)), "none") << bad;
    EXPECT_TRUE(parser.failed()) << bad;
    EXPECT_EQ(Text(parser.Feed(R"({"Width":80,"Height":24})")), "none") << bad;
  }
}

TEST(ResizeParserTest, AnEndlessObjectIsAnError) {
  ResizeParser parser;
  EXPECT_EQ(Text(parser.Feed("{\"" + std::string(ResizeParser::kLimit_bytes, 'a'))), "none");
  EXPECT_TRUE(parser.failed());
}

}  // namespace
}  // namespace crisp::streaming
