#include "image/pinned_images.h"

#include <algorithm>

#include "image/reference.h"

namespace crisp::image {

PinnedImages::PinnedImages(const std::vector<std::string>& patterns, Status* mistake) {
  const auto refuse = [mistake](Status status) {
    if (mistake != nullptr && mistake->ok()) *mistake = std::move(status);
  };
  for (const std::string& pattern : patterns) {
    const bool at_end = pattern.size() > 1 && pattern.ends_with('*');
    const std::string inner = pattern.substr(pattern.starts_with('*') ? 1 : 0);
    const std::string bare = at_end ? inner.substr(0, inner.size() - 1) : inner;
    if (bare.find('*') != std::string::npos || (pattern.starts_with('*') && !at_end) ||
        (at_end && bare.empty())) {
      refuse(InvalidArgument("pinned image '", pattern,
                             "': allowed: a reference, a beginning and '*', or '*' word '*'"));
    } else if (at_end) {
      (pattern.starts_with('*') ? words_ : beginnings_).push_back(bare);
    } else if (const auto reference = Reference::Parse(pattern); reference.ok()) {
      exact_.insert(reference->ToString());
    } else {
      refuse(reference.status());
    }
  }
}

bool PinnedImages::Matches(std::string_view name) const {
  const auto begins = [name](const std::string& text) { return name.starts_with(text); };
  const auto has = [name](const std::string& text) { return name.find(text) != name.npos; };
  return exact_.contains(name) || std::any_of(beginnings_.begin(), beginnings_.end(), begins) ||
         std::any_of(words_.begin(), words_.end(), has);
}

}  // namespace crisp::image
