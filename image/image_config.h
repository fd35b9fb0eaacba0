// The image config document: what a container needs of it, the diff ids and the chain ids.
//
// Contract: image-spec config.md; Docker's config has the same members.
// Threads:  values and free functions.
// Errors:   kInvalidArgument naming the member.
#ifndef CRISP_IMAGE_IMAGE_CONFIG_H_
#define CRISP_IMAGE_IMAGE_CONFIG_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "image/digest.h"
#include "image/image_service.h"
#include "image/json_text.h"
#include "image/platform.h"

namespace crisp::image {

struct ConfigDocument {
  Platform platform;
  ImageConfig config;
  std::vector<Digest> diff_ids;  // bottom layer first; sha256 only
};

Result<ConfigDocument> ParseConfig(std::string_view text);

// The form in which crisp-pull reports it and images.db keeps it.
Json ConfigToJson(const ImageConfig& config);
Result<ImageConfig> ConfigFromJson(const Json& json);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_IMAGE_CONFIG_H_
