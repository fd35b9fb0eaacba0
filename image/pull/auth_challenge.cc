#include "image/pull/auth_challenge.h"

#include <algorithm>
#include <cctype>

namespace crisp::image {
namespace {

bool IsTokenChar(char c) {  // RFC 7230 section 3.2.6
  return std::isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  bool done() const { return at_ >= text_.size(); }
  void Skip(std::string_view characters) {
    while (!done() && characters.find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool Take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string Token() {
    const size_t start = at_;
    while (!done() && IsTokenChar(text_[at_])) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  std::string Quoted() {  // behind the opening quote
    std::string out;
    while (!done() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    Take('"');
    return out;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::string AuthChallenge::Param(const std::string& name) const {
  const auto it = params.find(name);
  return it == params.end() ? std::string() : it->second;
}

std::vector<AuthChallenge> ParseChallenges(std::string_view header) {
  std::vector<AuthChallenge> out;
  Scanner scan(header);
  for (;;) {
    scan.Skip(" \t,");
    if (scan.done()) return out;
    std::string word = scan.Token();
    if (word.empty()) return out;
    scan.Skip(" \t");
    if (!scan.Take('=')) {  // no parameter: the next scheme
      out.push_back({Lower(std::move(word)), {}});
      continue;
    }
    if (out.empty()) return out;
    scan.Skip(" \t");
    std::string value = scan.Take('"') ? scan.Quoted() : scan.Token();
    out.back().params.emplace(Lower(std::move(word)), std::move(value));
  }
}

}  // namespace crisp::image
