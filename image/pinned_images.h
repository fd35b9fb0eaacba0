// PinnedImages: which names the kubelet's garbage collection must leave alone.
//
// Contract: as CRI-O's pinned_images: an exact reference (normalised), a beginning with '*' behind
//           it ("registry.io/base/*"), or a word between two '*' ("*pause*"). Patterns are compared
//           with full names.
// Threads:  a plain value.
#ifndef CRISP_IMAGE_PINNED_IMAGES_H_
#define CRISP_IMAGE_PINNED_IMAGES_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp::image {

class PinnedImages {
 public:
  PinnedImages() = default;
  // What is neither a reference nor a pattern is left out; `mistake` gets the first such.
  explicit PinnedImages(const std::vector<std::string>& patterns, Status* mistake = nullptr);

  // `name`: a full tag or digest reference.
  bool Matches(std::string_view name) const;

 private:
  std::set<std::string, std::less<>> exact_;
  std::vector<std::string> beginnings_;
  std::vector<std::string> words_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PINNED_IMAGES_H_
