// Artifacts: manifests whose layers are files, not archives.
//
// What:    each layer becomes a layer of the store with one file in it, named by the annotation
//          org.opencontainers.image.title, or by its digest. So files are shared among artifacts as
//          layers are among images, and a mount shows them all. The artifact's id is the digest of
//          its manifest: many share one empty config.
// Contract: image-spec manifest.md, "Guidelines for Artifact Usage"; annotations.md ("title").
//           Directories that a tool has packed (tar) stay archives.
// Threads:  free functions.
// Errors:   kInvalidArgument naming the layer and its title.
#ifndef CRISP_IMAGE_PULL_ARTIFACT_H_
#define CRISP_IMAGE_PULL_ARTIFACT_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/manifest.h"

namespace crisp::image {

struct ArtifactFile {
  Descriptor blob;
  std::string name;  // a relative path without "." and ".."
  Digest diff_id;    // stands for name and content; nothing unpacks to it
};

// The files in the order of the layers, without empty placeholders. No two are in each other's way.
Result<std::vector<ArtifactFile>> ArtifactFiles(const Manifest& manifest);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_ARTIFACT_H_
