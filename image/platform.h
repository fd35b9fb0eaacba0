// Platform: operating system, architecture and variant, and which of an index's manifests fits.
//
// Contract: image-spec image-index.md, "platform"; names are Go's (GOOS, GOARCH).
// Threads:  values.
#ifndef CRISP_IMAGE_PLATFORM_H_
#define CRISP_IMAGE_PLATFORM_H_

#include <string>

#include "base/core/result.h"
#include "image/json_text.h"

namespace crisp::image {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;

  bool empty() const { return os.empty() && architecture.empty(); }
  // "linux/arm64/v8".
  std::string ToString() const;
};

// This machine's; `os` and `arch` override when not empty ("x86_64" is understood as "amd64").
Platform HostPlatform(const std::string& os = {}, const std::string& arch = {});
Result<Platform> ParsePlatform(const Json& json);

// How well an image for `offered` runs here: 0 not at all; the greater the better. A missing os or
// architecture fits everything, but worse than a matching one.
int PlatformScore(const Platform& wanted, const Platform& offered);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PLATFORM_H_
