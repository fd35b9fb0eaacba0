#include "image/pull/decompress.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>
#include <vector>

namespace crisp::image {
namespace {

// zstd's own default limit: windows up to 128 MiB (zstd --ultra); larger ones need --long at both
// ends and are refused.
constexpr int kMaxZstdWindowLog = 27;

// Fills buffers of the ring to the brim before they are given on.
class Output {
 public:
  explicit Output(BufferRing& ring) : ring_(ring) {}
  // Room for at least one byte.
  Result<std::span<uint8_t>> Room() {
    if (room_.empty() || used_ == room_.size()) {
      Flush();
      room_ = CRISP_TRY(ring_.Writable());
    }
    return room_.subspan(used_);
  }
  void Used(size_t bytes) { used_ += bytes; }
  void Flush() {
    if (used_ > 0) ring_.Commit(used_);
    used_ = 0;
    room_ = {};
  }

 private:
  BufferRing& ring_;
  std::span<uint8_t> room_;
  size_t used_ = 0;
};

class Gunzip {
 public:
  explicit Gunzip(BufferRing& ring) : state_(std::make_unique<inflate_state>()), out_(ring) {
    isal_inflate_init(state_.get());
    Reset();
  }

  Status Feed(Bytes in) {
    state_->next_in = const_cast<uint8_t*>(in.data());
    state_->avail_in = static_cast<uint32_t>(in.size());
    bool more_output = false;
    while (state_->avail_in > 0 || more_output) {
      if (between_members_ && !StartMember()) {
        if (state_->avail_in == 0) break;
        return DataLoss("gzip: garbage after the end of the stream");
      }
      const std::span<uint8_t> room = CRISP_TRY(out_.Room());
      state_->next_out = room.data();
      state_->avail_out = static_cast<uint32_t>(room.size());
      const int result = isal_inflate(state_.get());
      if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT && result != ISAL_OUT_OVERFLOW) {
        return DataLoss("gzip: the data is corrupt (igzip error ", result, ")");
      }
      out_.Used(room.size() - state_->avail_out);
      // Decoded bytes may wait inside the state when the room was used up.
      more_output = state_->avail_out == 0 && state_->block_state != ISAL_BLOCK_FINISH;
      between_members_ = state_->block_state == ISAL_BLOCK_FINISH;
    }
    return OkStatus();
  }

  Status End() {
    out_.Flush();
    if (!between_members_) return DataLoss("gzip: the stream is cut off");
    return OkStatus();
  }

 private:
  // Zero bytes after the last member are padding (gzip(1)). False: no further member begins here.
  bool StartMember() {
    while (state_->avail_in > 0 && *state_->next_in == 0) {
      padding_ = true;
      ++state_->next_in;
      --state_->avail_in;
    }
    if (state_->avail_in == 0 || padding_) return false;
    Reset();
    return true;
  }

  void Reset() {
    // next_in and avail_in are the caller's and stay.
    isal_inflate_reset(state_.get());
    state_->crc_flag = ISAL_GZIP;
    between_members_ = false;
  }

  std::unique_ptr<inflate_state> state_;
  Output out_;
  bool padding_ = false;
  bool between_members_ = false;
};

// Contexts that no stream uses: each has a window (8 MiB as a rule), and the next stream's in the
// same memory spares its page faults. Never more of them than there were streams at one time.
class ZstdContexts {
 public:
  using Context = std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)>;
  static Context Take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return Context(ZSTD_createDCtx(), ZSTD_freeDCtx);
    Context context = std::move(free_.back());
    free_.pop_back();
    return context;
  }
  static void GiveBack(Context context) {
    // A large window is not kept.
    if (ZSTD_sizeof_DCtx(context.get()) > kKeptBytes) return;
    ZSTD_DCtx_reset(context.get(), ZSTD_reset_session_and_parameters);
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(context));
  }

 private:
  static constexpr size_t kKeptBytes = 16 << 20;
  static inline std::mutex mutex_;
  static inline std::vector<Context> free_;
};

class Unzstd {
 public:
  explicit Unzstd(BufferRing& ring) : context_(ZstdContexts::Take()), out_(ring) {
    if (context_) {
      ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog);
    }
  }
  Unzstd(Unzstd&&) = default;
  ~Unzstd() {
    if (context_) ZstdContexts::GiveBack(std::move(context_));
  }

  Status Feed(Bytes bytes) {
    if (!context_) return ErrnoStatus(ENOMEM, "zstd");
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool more_output = false;
    while (in.pos < in.size || more_output) {
      const std::span<uint8_t> room = CRISP_TRY(out_.Room());
      ZSTD_outBuffer out{room.data(), room.size(), 0};
      const size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation) {
        return ErrnoStatus(ENOMEM, "zstd: make a window");
      }
      if (ZSTD_isError(left)) {
        return DataLoss("zstd: the data is corrupt: ", ZSTD_getErrorName(left));
      }
      out_.Used(out.pos);
      inside_frame_ = left != 0;
      more_output = out.pos == out.size && inside_frame_;
    }
    return OkStatus();
  }

  Status End() {
    out_.Flush();
    if (inside_frame_) return DataLoss("zstd: the stream is cut off");
    return OkStatus();
  }

 private:
  ZstdContexts::Context context_;
  Output out_;
  bool inside_frame_ = true;
};

class Copy {
 public:
  explicit Copy(BufferRing& ring) : ring_(ring) {}
  Status Feed(Bytes bytes) { return ring_.Write(bytes); }
  Status End() { return OkStatus(); }  // BufferRing::Finish gives out the rest

 private:
  BufferRing& ring_;
};

template <typename Decoder>
Status Pump(Bytes first, ByteStream& in, Decoder decoder) {
  for (Bytes bytes = first; !bytes.empty(); bytes = CRISP_TRY(in.Next())) {
    CRISP_RETURN_IF_ERROR(decoder.Feed(bytes));
  }
  return decoder.End();
}

}  // namespace

Compression DetectCompression(Bytes start) {
  if (start.size() < 4) return Compression::kNone;
  if (start[0] == 0x1f && start[1] == 0x8b) return Compression::kGzip;
  if (start[0] == 0x28 && start[1] == 0xb5 && start[2] == 0x2f && start[3] == 0xfd) {
    return Compression::kZstd;
  }
  // A skippable frame (RFC 8878 section 3.1.2) comes first in some seekable formats.
  if ((start[0] & 0xf0) == 0x50 && start[1] == 0x2a && start[2] == 0x4d && start[3] == 0x18) {
    return Compression::kZstd;
  }
  return Compression::kNone;
}

Status Decompress(ByteStream& in, BufferRing& out) {
  const Bytes first = CRISP_TRY(in.Next());
  switch (DetectCompression(first)) {
    case Compression::kGzip:
      return Pump(first, in, Gunzip(out));
    case Compression::kZstd:
      return Pump(first, in, Unzstd(out));
    case Compression::kNone:
      break;
  }
  return Pump(first, in, Copy(out));
}

}  // namespace crisp::image
