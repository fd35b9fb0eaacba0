// UnpackLayer: one layer from its source to a finished directory.
//
//   producer ──> sha256(compressed) ──> ring ──> decompress ──> sha256(diff) ──> ring ──> files
//   (thread)                                     (thread)                                 (the
//   caller)
// An encrypted layer is decrypted behind its sha256, which is over the encrypted bytes.
//
// Contract: both digests and the descriptor's size, and of an encrypted layer the HMAC, must be
//           right, or the call fails and what is in the directory is worth nothing. Memory is
//           bounded by the two rings.
// Threads:  makes two for the time of the call.
// Errors:   the cause nearest to the source; kDataLoss for wrong digests, sizes and cut streams.
#ifndef CRISP_IMAGE_PULL_LAYER_UNPACK_H_
#define CRISP_IMAGE_PULL_LAYER_UNPACK_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/core/result.h"
#include "image/digest.h"
#include "image/pull/byte_stream.h"
#include "image/pull/layer_decryption.h"
#include "image/pull/layer_tree.h"
#include "image/pull/layer_writer.h"

namespace crisp::image {

// What a transfer tells of itself while it runs.
struct LayerFlow {
  std::atomic<int64_t> received_bytes{0};
  std::atomic<int64_t> held_us{
      0};  // how long bytes that had come waited for what is done with them
};

struct LayerTask {
  BlobProducer producer;
  std::optional<Digest> blob_digest;  // of the bytes as they come; none in docker archives
  int64_t blob_bytes = -1;            // -1: not known
  Digest diff_id;
  LayerCipherPtr cipher;  // of an encrypted layer
  Digest store_id;        // what the store calls it; empty: as the diff id says
  // Not empty: the blob is no archive but this file (artifact.h); then diff_id is only a name.
  std::string file_name;
  std::string directory;                 // made by the call; the layer is <directory>/fs
  int64_t max_bytes = int64_t{1} << 40;  // of data, uncompressed: more is a bomb
  LayerTree::ParentsProvider parents;
  // After a failure that the content explains: true if the producer has another source to try.
  std::function<bool()> exclude_source;
  const StopFlag* stop = nullptr;  // of the whole image; required
  LayerFlow* flow = nullptr;       // may be null

  const Digest& name_in_store() const { return store_id.empty() ? diff_id : store_id; }
};

// Unpacks the archive, or writes the file.
Result<LayerSummary> UnpackLayer(const LayerTask& task);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_LAYER_UNPACK_H_
