// TarReader: the members of a tar archive, one after the other, from a stream.
//
// What:    v7, ustar, pax and GNU archives; long names, pax attributes, base-256 numbers, all four
//          forms of sparse files. Global pax headers are read and ignored (they carry comments).
// Why not libarchive: it reads dozens of formats that a layer must not be, hides the raw attribute
//          records, and its reader is the larger attack surface; what a layer needs is small.
// Threads: one owner.
// Errors:  kDataLoss (malformed, cut off), kInvalidArgument (valid, but not allowed in a layer),
//          kResourceExhausted (a limit). Messages name the entry where one is known.
#ifndef CRISP_IMAGE_PULL_TAR_READER_H_
#define CRISP_IMAGE_PULL_TAR_READER_H_

#include <optional>

#include "base/core/result.h"
#include "image/pull/byte_stream.h"
#include "image/pull/pax.h"
#include "image/pull/tar_entry.h"
#include "image/pull/tar_header.h"
#include "image/pull/tar_input.h"

namespace crisp::image {

struct TarLimits {
  int64_t max_header_bytes = 1 << 20;  // a pax header or long name
  int64_t max_entries = 10'000'000;
  int64_t max_entry_bytes = int64_t{1} << 40;  // one file, extracted
  int64_t max_total_bytes = int64_t{1} << 40;  // all data in the archive
  size_t max_sparse_segments = 100'000;
};

class TarReader {
 public:
  explicit TarReader(ByteStream& stream, const TarLimits& limits = {})
      : input_(stream), limits_(limits) {}

  // The next member; empty at the end of the archive. Data of the previous one that was not read
  // is skipped.
  Result<std::optional<TarEntry>> Next();
  // Data of the current member in order, sparse holes left out; empty at its end.
  Result<Bytes> ReadData();
  // Where the current member's data begins in the stream, and how much there is.
  int64_t data_offset() const { return data_offset_; }
  int64_t data_bytes() const { return data_bytes_; }

 private:
  struct Pending {  // what headers before the real one said
    std::optional<std::string> long_path;
    std::optional<std::string> long_link;
    std::optional<PaxRecords> pax;
  };
  Status FinishData();
  Result<bool> TakeExtension(const TarHeader& header, Pending* pending);
  Result<std::string> ReadExtension(const TarHeader& header);
  Result<TarEntry> MakeEntry(const TarHeader& header, const Pending& pending);
  Status SetType(const TarHeader& header, TarEntry* entry);
  Status SetSparse(const TarHeader& header, const PaxRecords* pax, TarEntry* entry);
  Status ReadSparseMapInData(TarEntry* entry);
  Status CheckSegments(TarEntry* entry);

  TarInput input_;
  const TarLimits limits_;
  int64_t data_left_ = 0;
  int64_t padding_ = 0;
  int64_t data_offset_ = 0;
  int64_t data_bytes_ = 0;
  int64_t entries_ = 0;
  int64_t total_bytes_ = 0;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_TAR_READER_H_
