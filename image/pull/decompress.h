// Decompression of layers: gzip (ISA-L igzip), zstd and plain tar.
//
// What:    the format is taken from the first bytes, not from the media type: registries hold
//          layers that are labelled wrongly, and the digests decide anyway.
// Contract: RFC 1952 with several members, RFC 8878 with several frames. A stream that ends inside
//          a member or frame is an error (the libraries only see "no more input").
// Threads: one call per stream.
// Errors:  kDataLoss for what is corrupt or cut off; the source's and the sink's own errors.
#ifndef CRISP_IMAGE_PULL_DECOMPRESS_H_
#define CRISP_IMAGE_PULL_DECOMPRESS_H_

#include "base/core/result.h"
#include "image/pull/buffer_ring.h"
#include "image/pull/byte_stream.h"

namespace crisp::image {

enum class Compression { kNone, kGzip, kZstd };
// From at least four bytes (fewer: kNone).
Compression DetectCompression(Bytes start);

// Reads `in` to its end and writes the plain bytes to `out`; the caller calls out.Finish().
Status Decompress(ByteStream& in, BufferRing& out);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_DECOMPRESS_H_
