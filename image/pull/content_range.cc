#include "image/pull/content_range.h"

#include <strings.h>

#include <charconv>
#include <string_view>

#include "image/pull/layer_path.h"

namespace crisp::image {
namespace {

constexpr std::string_view kUnit = "bytes ";

// Digits at the beginning of `text`, which loses them.
bool TakeNumber(std::string_view* text, int64_t* out) {
  if (text->empty() || text->front() < '0' || text->front() > '9') return false;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *out);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

bool TakeChar(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

}  // namespace

Result<ContentRange> ParseContentRange(const std::string& text) {
  ContentRange out;
  std::string_view rest = text;
  const auto parse = [&] {
    if (::strncasecmp(text.c_str(), kUnit.data(), kUnit.size()) != 0) return false;
    rest.remove_prefix(kUnit.size());
    if (!TakeNumber(&rest, &out.first) || !TakeChar(&rest, '-') || !TakeNumber(&rest, &out.last) ||
        !TakeChar(&rest, '/')) {
      return false;
    }
    if (rest == "*") return out.first <= out.last;
    return TakeNumber(&rest, &out.total) && rest.empty() && out.first <= out.last &&
           out.last < out.total;
  };
  if (parse()) return out;
  return DataLoss("the answer's Content-Range is \"", PrintablePath(text.substr(0, 100)), '"');
}

}  // namespace crisp::image
