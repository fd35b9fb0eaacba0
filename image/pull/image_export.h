// ExportImage: an image of the store as an OCI archive.
//
// What:    an OCI layout in one tar file, layers uncompressed. Layers are written from their
//          directories (layer_tar.h) and so have digests of their own; config and manifest are made
//          to fit, and the image gets another id than the one in the store. Each layer is read
//          twice, because its digest is its name in the archive.
// Contract: image-spec image-layout.md.
// Threads:  a free function.
// Errors:   name the layer and entry. The file appears under its name only when it is complete.
#ifndef CRISP_IMAGE_PULL_IMAGE_EXPORT_H_
#define CRISP_IMAGE_PULL_IMAGE_EXPORT_H_

#include "base/core/result.h"
#include "image/puller_protocol.h"

namespace crisp::image {

Status ExportImage(const PullerRequest& request);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_IMAGE_EXPORT_H_
