#include "conmon/runtime_log.h"

#include <algorithm>
#include <optional>

#include "base/core/file.h"
#include "conmon/protocol.h"

namespace crisp::conmon {
namespace {

constexpr size_t kLimit_bytes = 4096;

void AppendUtf8(unsigned code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xc0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xe0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

// The escape at text[at] (after the backslash); returns the index behind it. \u of a surrogate pair
// becomes '?' twice: error texts that need one do not exist.
size_t Unescape(std::string_view text, size_t at, std::string* out) {
  const char c = text[at];
  if (c == 'u' && at + 4 < text.size()) {
    unsigned code = 0;
    const auto digits = text.substr(at + 1, 4);
    const auto parsed = std::from_chars(digits.data(), digits.data() + 4, code, 16);
    if (parsed.ptr == digits.data() + 4) {
      const bool surrogate = code >= 0xd800 && code < 0xe000;
      AppendUtf8(surrogate ? '?' : code, out);
      return at + 5;
    }
  }
  switch (c) {
    case 'n':
    case 'r':
    case 't':
    case 'b':
    case 'f':
      out->push_back(' ');
      break;
    default:
      out->push_back(c);
  }
  return at + 1;
}

// The string value of `key` in one line of JSON; empty when it has none.
std::optional<std::string> FindString(std::string_view line, std::string_view key) {
  const std::string quoted = '"' + std::string(key) + '"';
  for (size_t at = line.find(quoted); at != std::string_view::npos;
       at = line.find(quoted, at + 1)) {
    size_t i = line.find_first_not_of(" \t", at + quoted.size());
    if (i == std::string_view::npos || line[i] != ':') continue;
    i = line.find_first_not_of(" \t", i + 1);
    if (i == std::string_view::npos || line[i] != '"') continue;
    std::string value;
    for (++i; i < line.size() && line[i] != '"';) {
      if (line[i] == '\\' && i + 1 < line.size()) {
        i = Unescape(line, i + 1, &value);
      } else {
        value.push_back(line[i++]);
      }
    }
    return value;
  }
  return std::nullopt;
}

std::string Clean(std::string text) {
  if (text.size() > kLimit_bytes) text.resize(kLimit_bytes);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return std::string(Trim(text));
}

}  // namespace

std::string LastErrorMessage(std::string_view log) {
  std::string any;
  std::string error;
  while (!log.empty()) {
    const auto [line, rest] = internal::SplitAt(log, '\n');
    log = rest;
    std::optional<std::string> message = FindString(line, "msg");
    if (!message) continue;
    const std::string level = FindString(line, "level").value_or("");
    if (level == "error" || level == "fatal") error = *message;
    any = *std::move(message);
  }
  return Clean(error.empty() ? any : error);
}

std::string LastTextLine(std::string_view text) {
  text = Trim(text);
  const size_t newline = text.rfind('\n');
  if (newline != std::string_view::npos) text.remove_prefix(newline + 1);
  return Clean(std::string(text));
}

}  // namespace crisp::conmon
