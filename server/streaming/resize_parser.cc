#include "server/streaming/resize_parser.h"

#include <algorithm>
#include <charconv>

namespace crisp::streaming {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Reads one object of which brackets and strings are known to be balanced.
class ObjectReader {
 public:
  explicit ObjectReader(std::string_view text) : rest_(text) {}

  // Empty: not a size.
  std::optional<pod::TerminalSize> Read() {
    pod::TerminalSize size;
    if (!Skip('{')) return std::nullopt;
    if (Skip('}')) return size;
    do {
      std::string_view key;
      if (!ReadString(&key) || !Skip(':')) return std::nullopt;
      const bool known = key == "Width" || key == "Height";
      if (!known && !SkipValue()) return std::nullopt;
      if (known && !ReadNumber(key == "Width" ? &size.columns : &size.rows)) return std::nullopt;
    } while (Skip(','));
    if (!Skip('}')) return std::nullopt;
    return size;
  }

 private:
  void SkipSpace() {
    while (!rest_.empty() && IsSpace(rest_.front())) rest_.remove_prefix(1);
  }
  bool Skip(char c) {
    SkipSpace();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // The text between the quotes; a key with an escape is none that we look for.
  bool ReadString(std::string_view* out) {
    if (!Skip('"')) return false;
    for (size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        *out = rest_.substr(0, i);
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }
  bool ReadNumber(uint16_t* out) {
    SkipSpace();
    const char* const end = rest_.data() + rest_.size();
    const auto [stop, error] = std::from_chars(rest_.data(), end, *out);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<size_t>(stop - rest_.data()));
    return true;
  }
  // Not strict about what is inside: the value is of no interest.
  bool SkipValue() {
    constexpr std::string_view kMarks = "{}[],:\" \t\r\n";
    int depth = 0;
    do {
      SkipSpace();
      if (rest_.empty()) return false;
      const char c = rest_.front();
      std::string_view ignored;
      if (c == '"') {
        if (!ReadString(&ignored)) return false;
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      if (depth < 0 || (depth == 0 && (c == ',' || c == ':'))) return false;
      const bool mark = kMarks.find(c) != std::string_view::npos;
      const size_t length = mark ? 1 : rest_.find_first_of(kMarks);
      rest_.remove_prefix(std::min(length, rest_.size()));
    } while (depth > 0);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

// False: `c` cannot be here. An object is whole when depth_ is 0 again.
bool ResizeParser::Take(char c) {
  if (object_.empty() && IsSpace(c)) return true;
  if (object_.empty() && c != '{') return false;
  if (object_.size() >= kLimit_bytes) return false;
  object_ += c;
  if (escaped_) {
    escaped_ = false;
  } else if (in_string_) {
    escaped_ = c == '\\';
    in_string_ = c != '"';
  } else if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    ++depth_;
  } else if (c == '}' || c == ']') {
    --depth_;
  }
  return true;
}

std::optional<pod::TerminalSize> ResizeParser::Feed(std::string_view data) {
  std::optional<pod::TerminalSize> newest;
  for (const char c : data) {
    if (failed_) break;
    failed_ = !Take(c);
    if (failed_ || object_.empty() || depth_ > 0) continue;
    const auto size = ObjectReader(object_).Read();
    object_.clear();
    failed_ = !size.has_value();
    if (size && size->columns > 0 && size->rows > 0) newest = size;
  }
  return newest;
}

}  // namespace crisp::streaming
