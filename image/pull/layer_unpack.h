// UnpackLayer: one layer from its source to a finished directory.
//
//   producer ──> sha256(compressed) ──> ring ──> decompress ──> sha256(diff) ──> ring ──> files
//   (thread)                                     (thread)                                 (the
//   caller)
//
// Contract: both digests and the descriptor's size must be right, or the call fails and what is in
//           the directory is worth nothing. Memory is bounded by the two rings.
// Threads:  makes two for the time of the call.
// Errors:   the cause nearest to the source; kDataLoss for wrong digests, sizes and cut streams.
#ifndef CRISP_IMAGE_PULL_LAYER_UNPACK_H_
#define CRISP_IMAGE_PULL_LAYER_UNPACK_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "base/core/result.h"
#include "image/digest.h"
#include "image/pull/byte_stream.h"
#include "image/pull/layer_tree.h"
#include "image/pull/layer_writer.h"

namespace crisp::image {

struct LayerTask {
  BlobProducer producer;
  std::optional<Digest> blob_digest;  // of the bytes as they come; none in docker archives
  int64_t blob_bytes = -1;            // -1: not known
  Digest diff_id;
  std::string directory;  // made by the call; the layer is <directory>/fs
  LayerTree::ParentsProvider parents;
  // Set when this layer fails, and looked at: layers of one image stop together.
  std::atomic<bool>* stop = nullptr;  // required
};

Result<LayerSummary> UnpackLayer(const LayerTask& task);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_LAYER_UNPACK_H_
