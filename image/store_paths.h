// Where the store keeps things, below its root (DESIGN section 5).
#ifndef CRISP_IMAGE_STORE_PATHS_H_
#define CRISP_IMAGE_STORE_PATHS_H_

#include <string>

#include "base/core/result.h"

namespace crisp::image {

struct StorePaths {
  explicit StorePaths(std::string store_root) : root(std::move(store_root)) {}
  std::string root;
  std::string database() const { return root + "/images.db"; }
  std::string layers() const { return root + "/layers"; }
  std::string tmp() const { return root + "/layers/tmp"; }
  std::string images() const { return root + "/images"; }
  // "sha256:<hex>" lives in images/<hex>.
  static std::string ImageDirName(const std::string& image_id) {
    return image_id.substr(image_id.find(':') + 1);
  }
};

// Lower directory of images without layers.
inline constexpr char kEmptyLayer[] = "empty";
inline constexpr char kTmpName[] = "tmp";

}  // namespace crisp::image

#endif  // CRISP_IMAGE_STORE_PATHS_H_
