#include "image/reference.h"

#include <algorithm>
#include <cctype>

#include "base/ids.h"
#include "image/digest.h"

namespace crisp::image {
namespace {

constexpr size_t kMaxNameLength = 255;  // distribution/reference: NameTotalLengthMax
constexpr size_t kMaxTagLength = 128;

bool IsLower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsAlnum(char c) { return IsLower(c) || (c >= 'A' && c <= 'Z'); }

// path-component := alpha-numeric [separator alpha-numeric]*, separator := "." | "_" | "__" | "-"+
bool IsPathComponent(std::string_view text) {
  size_t i = 0;
  for (;;) {
    const size_t start = i;
    while (i < text.size() && IsLower(text[i])) ++i;
    if (i == start) return false;
    if (i == text.size()) return true;
    if (text[i] == '.') {
      ++i;
    } else if (text[i] == '_') {
      ++i;
      if (i < text.size() && text[i] == '_') ++i;
    } else if (text[i] == '-') {
      while (i < text.size() && text[i] == '-') ++i;
    } else {
      return false;
    }
  }
}

// domain-component := alnum | alnum [alnum or '-']* alnum
bool IsDomainComponent(std::string_view text) {
  if (text.empty() || !IsAlnum(text.front()) || !IsAlnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return IsAlnum(c) || c == '-'; });
}

bool IsPort(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return false;
  }
  return std::stoul(std::string(text)) <= 65535;
}

bool IsDomainName(std::string_view host) {
  while (true) {
    const size_t dot = host.find('.');
    if (!IsDomainComponent(host.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    host.remove_prefix(dot + 1);
  }
}

bool IsDomain(std::string_view domain) {
  if (domain.starts_with('[')) {  // IPv6 without a zone (RFC 3986, IP-literal)
    const size_t end = domain.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    const std::string_view inside = domain.substr(1, end - 1);
    const bool hex = std::all_of(inside.begin(), inside.end(), [](char c) {
      return std::isxdigit(static_cast<unsigned char>(c)) || c == ':';
    });
    const std::string_view rest = domain.substr(end + 1);
    return hex && (rest.empty() || (rest.front() == ':' && IsPort(rest.substr(1))));
  }
  const size_t colon = domain.find(':');
  if (colon != std::string_view::npos && !IsPort(domain.substr(colon + 1))) return false;
  return IsDomainName(domain.substr(0, colon));
}

bool IsTag(std::string_view tag) {
  if (tag.empty() || tag.size() > kMaxTagLength) return false;
  if (!IsAlnum(tag.front()) && tag.front() != '_') return false;
  return std::all_of(tag.begin(), tag.end(),
                     [](char c) { return IsAlnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool HasUpper(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

// docker's rule: what stands before the first slash is a registry when it cannot be a plain path
// component (distribution/reference/normalize.go, splitDockerDomain).
bool LooksLikeDomain(std::string_view first) {
  return first.find_first_of(".:") != std::string_view::npos || first == "localhost" ||
         HasUpper(first);
}

// For messages: bytes that would damage a terminal or are not ASCII become '?'.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text.substr(0, 300)) out += (c >= 0x20 && c < 0x7f) ? c : '?';
  if (text.size() > 300) out += "...";
  return out + "\"";
}

Status CheckPath(std::string_view path) {
  size_t start = 0;
  for (;;) {
    const size_t slash = path.find('/', start);
    const std::string_view part =
        path.substr(start, slash == std::string_view::npos ? slash : slash - start);
    if (part.empty()) return InvalidArgument("an empty path component");
    if (HasUpper(part)) {
      return InvalidArgument("repository ", Quoted(part), " has upper-case letters; ",
                             "only lower-case ones are allowed");
    }
    if (!IsPathComponent(part)) {
      return InvalidArgument("path component ", Quoted(part), " must be lower-case letters and ",
                             "digits, separated by '.', '_', '__' or '-'");
    }
    if (slash == std::string_view::npos) return OkStatus();
    start = slash + 1;
  }
}

struct Parts {
  std::string_view name;
  std::string_view tag;
  std::string_view digest;
  bool has_tag = false;
  bool has_digest = false;
};

Parts Split(std::string_view text) {
  Parts parts;
  const size_t at = text.find('@');
  if (at != std::string_view::npos) {
    parts.digest = text.substr(at + 1);
    parts.has_digest = true;
    text = text.substr(0, at);
  }
  const size_t colon = text.rfind(':');
  const size_t slash = text.rfind('/');
  // A colon before the last slash belongs to the registry's port.
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    parts.tag = text.substr(colon + 1);
    parts.has_tag = true;
    text = text.substr(0, colon);
  }
  parts.name = text;
  return parts;
}

}  // namespace

Result<Reference> Reference::Parse(std::string_view text) {
  const auto fail = [&](const Status& why) {
    return InvalidArgument("image reference ", Quoted(text), ": ", why.message());
  };
  if (text.empty())
    return fail(InvalidArgument("is empty; expected [registry/]name[:tag|@digest]"));
  const Parts parts = Split(text);
  if (parts.name.empty()) return fail(InvalidArgument("has no repository name"));
  if (parts.name.size() == 64 && IsLowerHex(parts.name)) {
    return fail(InvalidArgument("a repository name must not be 64 hexadecimal digits"));
  }

  Reference ref;
  const size_t slash = parts.name.find('/');
  if (slash == std::string_view::npos || !LooksLikeDomain(parts.name.substr(0, slash))) {
    ref.domain_ = "docker.io";
    ref.path_ = parts.name;
  } else {
    ref.domain_ = parts.name.substr(0, slash);
    ref.path_ = parts.name.substr(slash + 1);
    if (!IsDomain(ref.domain_)) {
      return fail(InvalidArgument("registry ", Quoted(ref.domain_), " is not host[:port]"));
    }
  }
  if (ref.domain_ == "index.docker.io") ref.domain_ = "docker.io";
  if (ref.domain_ == "docker.io" && ref.path_.find('/') == std::string::npos) {
    ref.path_.insert(0, "library/");
  }
  if (Status path = CheckPath(ref.path_); !path.ok()) return fail(path);
  if (ref.domain_.size() + 1 + ref.path_.size() > kMaxNameLength) {
    return fail(InvalidArgument("the name is longer than ", kMaxNameLength, " characters"));
  }
  if (parts.has_tag && !IsTag(parts.tag)) {
    return fail(
        InvalidArgument("tag ", Quoted(parts.tag), " must be 1 to ", kMaxTagLength,
                        " letters, digits, '_', '.' or '-', and not begin with '.' or '-'"));
  }
  if (parts.has_digest) {
    auto digest = Digest::Parse(parts.digest);
    if (!digest.ok()) return fail(digest.status());
    ref.digest_ = digest->ToString();
  } else {
    ref.tag_ = parts.has_tag ? std::string(parts.tag) : "latest";
  }
  return ref;
}

bool Reference::IsShortName(std::string_view name) {
  const size_t slash = name.find('/');
  return slash == std::string_view::npos || !LooksLikeDomain(name.substr(0, slash));
}

std::string Reference::ToString() const {
  return digest_.empty() ? Cat(name(), ':', tag_) : WithDigest(digest_);
}

}  // namespace crisp::image
