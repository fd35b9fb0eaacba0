#include "image/pull/layer_path.h"

#include <climits>

namespace crisp::image {
namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kMetaPrefix = ".wh..wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";

}  // namespace

Result<LayerPath> CleanLayerPath(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) {
    return InvalidArgument("the name has a NUL byte");
  }
  std::string clean;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") return InvalidArgument("the name has \"..\": it would leave the layer");
    if (part.size() > NAME_MAX) {
      return InvalidArgument("a name component is longer than ", NAME_MAX, " bytes");
    }
    if (clean.size() + part.size() + 1 >= PATH_MAX) {
      return InvalidArgument("the name is longer than ", PATH_MAX, " bytes");
    }
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  const size_t slash = clean.rfind('/');
  if (slash == std::string::npos) return LayerPath{{}, std::move(clean)};
  return LayerPath{clean.substr(0, slash), clean.substr(slash + 1)};
}

Result<Whiteout> ParseWhiteout(const std::string& name) {
  if (!name.starts_with(kWhiteoutPrefix)) return Whiteout{};
  if (name == kOpaqueName) return Whiteout{WhiteoutKind::kOpaque, {}};
  if (name.starts_with(kMetaPrefix)) return Whiteout{WhiteoutKind::kIgnored, {}};
  std::string target = name.substr(kWhiteoutPrefix.size());
  if (target.empty() || target == "." || target == "..") {
    return InvalidArgument("whiteout of \"", target, "\" is not allowed");
  }
  return Whiteout{WhiteoutKind::kFile, std::move(target)};
}

std::string PrintablePath(std::string_view path) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (char c : path.substr(0, 200)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += Cat("\\x", kHex[byte >> 4], kHex[byte & 15]);
    }
  }
  if (path.size() > 200) out += "...";
  return out;
}

}  // namespace crisp::image
