// SourceImage: an image that was found and verified down to its config; layers still to be brought.
#ifndef CRISP_IMAGE_PULL_SOURCE_IMAGE_H_
#define CRISP_IMAGE_PULL_SOURCE_IMAGE_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/digest.h"
#include "image/image_config.h"
#include "image/manifest.h"
#include "image/pull/archive_files.h"
#include "image/pull/layer_unpack.h"
#include "image/pull/registry.h"
#include "image/puller_protocol.h"

namespace crisp::image {

struct SourceImage {
  std::vector<std::string> names;
  std::string resolved_digest;  // of the manifest or index that the name stands for
  std::string manifest;         // byte for byte; empty for docker archives
  std::string config;           // byte for byte
  Digest config_digest;
  ConfigDocument document;
  std::vector<LayerTask> layers;  // producer, digests and sizes
};

// Gives layer i its cipher, where it is encrypted (OpenLayers); before CompleteFromConfig.
void AddCiphers(const std::vector<LayerCipherPtr>& ciphers, SourceImage* image);
// Parses the config, checks platform and layer count, and makes the diff ids part of `layers`.
Status CompleteFromConfig(const Platform& wanted, SourceImage* image);

// `registry` must outlive the layers' producers.
Result<SourceImage> FindInRegistry(const PullerRequest& request, Registry& registry);

// The images of an OCI layout (image-spec image-layout.md) or a docker archive ("docker save",
// manifest.json); `archive` must
// outlive the layers' producers.
Result<std::vector<SourceImage>> FindInArchive(const PullerRequest& request,
                                               const ArchiveFiles& archive);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_SOURCE_IMAGE_H_
