// The documents of streaming.md section 6.3, to the letter.
#include "server/streaming/status_document.h"

#include <gtest/gtest.h>

namespace crisp::streaming {
namespace {

constexpr auto kText = ErrorFormat::kText;
constexpr auto kStatus = ErrorFormat::kStatus;

TEST(StatusDocumentTest, Success) {
  EXPECT_EQ(SuccessDocument(kStatus), R"({"metadata":{},"status":"Success"})");
  EXPECT_EQ(ExitDocument(kStatus, 0), SuccessDocument(kStatus));
  EXPECT_EQ(SuccessDocument(kText), "");
  EXPECT_EQ(ExitDocument(kText, 0), "");
}

TEST(StatusDocumentTest, ExitCode) {
  EXPECT_EQ(ExitDocument(kStatus, 3),
            R"({"metadata":{},"status":"Failure",)"
            R"("message":"command terminated with non-zero exit code: exit status 3",)"
            R"("reason":"NonZeroExitCode",)"
            R"("details":{"causes":[{"reason":"ExitCode","message":"3"}]}})");
  EXPECT_EQ(ExitDocument(kText, 137),
            "command terminated with non-zero exit code: exit status 137");
}

TEST(StatusDocumentTest, Error) {
  EXPECT_EQ(ErrorDocument(kStatus, "error executing command in container", "no \"such\" file"),
            R"({"metadata":{},"status":"Failure","message":"Internal error occurred: )"
            R"(error executing command in container: no \"such\" file",)"
            R"("reason":"InternalError","details":{"causes":[{"message":"no \"such\" file"}]},)"
            R"("code":500})");
  EXPECT_EQ(ErrorDocument(kText, "error attaching to container", "gone"),
            "Internal error occurred: error attaching to container: gone");
}

// Runtimes quote what users typed.
TEST(StatusDocumentTest, AnyBytesMakeValidJson) {
  const std::string document = ErrorDocument(kStatus, "w", std::string("a\\\n\x01\xff\0b", 7));
  EXPECT_NE(document.find(R"({"message":"a\\\n\u0001)"
                          "\xEF\xBF\xBD"
                          R"(\u0000b"})"),
            std::string::npos)
      << document;
}

}  // namespace
}  // namespace crisp::streaming
