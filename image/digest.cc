#include "image/digest.h"

#include "base/ids.h"

namespace crisp::image {

Result<Digest> Digest::Parse(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return InvalidArgument("digest has no algorithm; expected sha256:<64 hexadecimal digits>");
  }
  const std::string_view algorithm = text.substr(0, colon);
  const std::string_view hex = text.substr(colon + 1);
  size_t length = 0;
  if (algorithm == "sha256") length = 64;
  if (algorithm == "sha512") length = 128;
  if (length == 0) return InvalidArgument("digest algorithm must be sha256 or sha512");
  if (hex.size() != length || !IsLowerHex(hex)) {
    return InvalidArgument(algorithm, " digest must be ", length, " lower-case hexadecimal digits");
  }
  return Digest(std::string(algorithm), std::string(hex));
}

}  // namespace crisp::image
