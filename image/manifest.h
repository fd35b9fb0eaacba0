// Manifests and indexes, OCI's and Docker's, as far as a pull needs them.
//
// Contract: image-spec manifest.md, image-index.md, descriptor.md; Docker "Image Manifest Version
// 2,
//           Schema 2". Schema 1 is refused with a message that says so. An OCI manifest whose
//           config is no image's is an artifact (manifest.md, "Guidelines for Artifact Usage").
// Threads:  values and free functions.
// Errors:   kInvalidArgument (malformed, or not an image), kNotFound (no manifest for the
// platform).
#ifndef CRISP_IMAGE_MANIFEST_H_
#define CRISP_IMAGE_MANIFEST_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "image/digest.h"
#include "image/platform.h"

namespace crisp::image {

inline constexpr size_t kMaxManifestBytes = 4u << 20;  // distribution-spec, "Pushing Manifests"
// overlayfs takes at most 500 lower layers (OVL_MAX_STACK).
inline constexpr size_t kMaxLayers = 500;
inline constexpr size_t kMaxIndexEntries = 10000;

struct Descriptor {
  std::string media_type;
  Digest digest;
  int64_t size_bytes = 0;
  Platform platform;
  std::map<std::string, std::string> annotations;
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom layer first
  // Not empty: an artifact. Its artifactType or, as older tools do, its config's media type.
  std::string artifact_type;
};

// What a "manifest" URL may give: one of the two.
struct ManifestOrIndex {
  bool is_index = false;
  Manifest manifest;
  std::vector<Descriptor> entries;
};

// `media_type`: what the server or the descriptor called it; the document's own member wins.
Result<ManifestOrIndex> ParseManifest(std::string_view text, std::string_view media_type);
// The best entry for `wanted`; kNotFound lists what the index has.
Result<Descriptor> ChooseManifest(const std::vector<Descriptor>& entries, const Platform& wanted);
Result<Descriptor> ParseDescriptor(const Json& json);

bool IsIndexType(std::string_view media_type);
bool IsManifestType(std::string_view media_type);
// The Accept header of a manifest request.
std::string_view AcceptedManifestTypes();

}  // namespace crisp::image

#endif  // CRISP_IMAGE_MANIFEST_H_
