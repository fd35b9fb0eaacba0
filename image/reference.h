// Reference: the name of an image, as users write it and as crisp keeps it.
//
// Contract: distribution reference grammar (distribution/reference, "Grammar" in reference.go) with
//           docker's normalisation (cri-contract 12.1): no domain means docker.io, one path
//           component on docker.io gets "library/", no tag and no digest means ":latest". With both
//           a tag and a digest the digest decides and the tag is dropped.
// Threads:  values.
// Errors:   kInvalidArgument that quotes the reference and says what is wrong and what is right.
#ifndef CRISP_IMAGE_REFERENCE_H_
#define CRISP_IMAGE_REFERENCE_H_

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::image {

class Reference {
 public:
  static Result<Reference> Parse(std::string_view text);
  // A name (without tag) that begins with no registry: normalisation puts docker.io in front.
  static bool IsShortName(std::string_view name);

  // "docker.io", "localhost:5000", "[::1]:5000".
  const std::string& domain() const { return domain_; }
  // "library/nginx".
  const std::string& path() const { return path_; }
  // Exactly one of the two is set.
  const std::string& tag() const { return tag_; }
  const std::string& digest() const { return digest_; }

  // "docker.io/library/nginx".
  std::string name() const { return Cat(domain_, '/', path_); }
  // "docker.io/library/nginx:latest" or "docker.io/library/nginx@sha256:...".
  std::string ToString() const;
  // The same repository by another digest.
  std::string WithDigest(std::string_view digest) const { return Cat(name(), '@', digest); }

 private:
  Reference() = default;
  std::string domain_;
  std::string path_;
  std::string tag_;
  std::string digest_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_REFERENCE_H_
