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
  std::string records() const { return root + "/records"; }
  // What the layer looked like when it was unpacked (pull/tree_record.h).
  std::string record(const std::string& layer_key) const { return records() + "/" + layer_key; }
  std::string images() const { return root + "/images"; }
  // "sha256:<hex>" lives in images/<hex>.
  static std::string ImageDirName(const std::string& image_id) {
    return image_id.substr(image_id.find(':') + 1);
  }
  // What was found damaged there; as long as there is nothing in its place, the image is hidden.
  static std::string DamagedDirName(const std::string& image_id) {
    return ImageDirName(image_id) + ".damaged";
  }
};

// Lower directory of images without layers.
inline constexpr char kEmptyLayer[] = "empty";
inline constexpr char kTmpName[] = "tmp";
// mkfs makes it where a file system begins: a mount point of our own may have one.
inline constexpr char kLostAndFound[] = "lost+found";
// Damaged layers that were replaced: "q-<begin of the boot id>-<random>".
inline constexpr char kQuarantinePrefix[] = "q-";

}  // namespace crisp::image

#endif  // CRISP_IMAGE_STORE_PATHS_H_
