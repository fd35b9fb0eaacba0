// WriteLayerTar: a layer's directory as an archive again.
//
// What:    the way back of layer_writer.h: overlay's whiteouts and opaque directories become
//          ".wh." names, names of one file hard links. The archive a layer came from is not kept,
//          so the result has another digest than that; it is the same each time.
// Contract: image-spec layer.md.
// Threads:  a free function.
// Errors:   name the entry; kDataLoss when a file changes meanwhile.
#ifndef CRISP_IMAGE_PULL_LAYER_TAR_H_
#define CRISP_IMAGE_PULL_LAYER_TAR_H_

#include <string>

#include "base/core/result.h"
#include "image/pull/byte_stream.h"

namespace crisp::image {

Status WriteLayerTar(const std::string& tree, bool opaque_root, const ByteSink& sink);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_LAYER_TAR_H_
