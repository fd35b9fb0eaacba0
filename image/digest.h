// Digest: "sha256:<64 hex>" or "sha512:<128 hex>", the name of a content.
//
// Contract: image-spec descriptor.md, "Digests". The algorithms are the two registered ones; hex
//           must be lower-case.
// Threads:  values.
#ifndef CRISP_IMAGE_DIGEST_H_
#define CRISP_IMAGE_DIGEST_H_

#include <compare>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::image {

class Digest {
 public:
  Digest() = default;
  // kInvalidArgument for another algorithm, a wrong length or characters that are not lower hex.
  static Result<Digest> Parse(std::string_view text);
  // From a hash that was computed here; `hex` is well formed.
  static Digest Sha256(std::string hex) { return Digest("sha256", std::move(hex)); }

  const std::string& algorithm() const { return algorithm_; }
  const std::string& hex() const { return hex_; }
  std::string ToString() const { return Cat(algorithm_, ':', hex_); }
  bool empty() const { return hex_.empty(); }
  auto operator<=>(const Digest&) const = default;

 private:
  friend class Hasher;
  Digest(std::string algorithm, std::string hex)
      : algorithm_(std::move(algorithm)), hex_(std::move(hex)) {}
  std::string algorithm_;
  std::string hex_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_DIGEST_H_
