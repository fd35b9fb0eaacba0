// TarInput: block-wise access to a byte stream for the tar reader.
//
// Threads: one owner.
// Errors:  kDataLoss when the stream ends inside what was asked for.
#ifndef CRISP_IMAGE_PULL_TAR_INPUT_H_
#define CRISP_IMAGE_PULL_TAR_INPUT_H_

#include <array>
#include <string>

#include "image/pull/byte_stream.h"
#include "image/pull/tar_header.h"

namespace crisp::image {

class TarInput {
 public:
  explicit TarInput(ByteStream& stream) : stream_(stream) {}

  // The next 512 bytes, valid until the next call; empty at the end of the stream.
  Result<Bytes> Block();
  // Up to `limit` bytes without copying; at least one.
  Result<Bytes> Some(int64_t limit);
  // Exactly `size` bytes as text. The caller has checked `size` against a limit.
  Result<std::string> Text(int64_t size);
  Status Skip(int64_t size);
  // Up to `size` bytes: the stream may end within them.
  Status SkipPadding(int64_t size);
  // Bytes taken so far.
  int64_t offset() const { return offset_; }

 private:
  // False at the end of the stream.
  Result<bool> Fill();

  ByteStream& stream_;
  Bytes rest_;
  std::array<uint8_t, kTarBlock> block_{};
  int64_t offset_ = 0;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_TAR_INPUT_H_
