#include "server/streaming/status_document.h"

#include <cstdio>

#include "base/utf8.h"

namespace crisp::streaming {
namespace {

// RFC 8259 section 7.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : SanitizeUtf8(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", byte);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

std::string SuccessDocument(ErrorFormat format) {
  return format == ErrorFormat::kStatus ? R"({"metadata":{},"status":"Success"})" : "";
}

std::string ExitDocument(ErrorFormat format, int exit_code) {
  if (exit_code == 0) return SuccessDocument(format);
  std::string message = Cat("command terminated with non-zero exit code: exit status ", exit_code);
  if (format == ErrorFormat::kText) return message;
  return Cat(R"({"metadata":{},"status":"Failure","message":)", Quoted(message),
             R"(,"reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":")",
             exit_code, R"("}]}})");
}

std::string ErrorDocument(ErrorFormat format, std::string_view what, std::string_view text) {
  std::string message = Cat("Internal error occurred: ", what, ": ", text);
  if (format == ErrorFormat::kText) return message;
  return Cat(R"({"metadata":{},"status":"Failure","message":)", Quoted(message),
             R"(,"reason":"InternalError","details":{"causes":[{"message":)", Quoted(text),
             R"(}]},"code":500})");
}

}  // namespace crisp::streaming
