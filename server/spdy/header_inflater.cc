#include "server/spdy/header_inflater.h"

#include <algorithm>

#include "server/spdy/dictionary.h"

namespace crisp::spdy {
namespace {

constexpr size_t kStepBytes = 4096;
// What is kept for the next block; the headers of our clients take under 100 bytes.
constexpr size_t kKeptBytes = 512;

}  // namespace

HeaderInflater::~HeaderInflater() {
  if (started_) inflateEnd(&zlib_);
}

Status HeaderInflater::Start() {
  if (inflateInit(&zlib_) != Z_OK) return ResourceExhausted("inflate: no memory");
  started_ = true;
  return OkStatus();
}

Status HeaderInflater::Fail(Status why) {
  failure_ = why;
  return why;
}

Result<std::string_view> HeaderInflater::Inflate(std::string_view block) {
  if (!failure_.ok()) return failure_;
  if (!started_) {
    if (Status s = Start(); !s.ok()) return Fail(std::move(s));
  }
  inflated_.clear();
  if (inflated_.capacity() > kKeptBytes) inflated_.shrink_to_fit();
  zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(block.data()));
  zlib_.avail_in = static_cast<uInt>(block.size());
  for (;;) {
    char step[kStepBytes];
    zlib_.next_out = reinterpret_cast<Bytef*>(step);
    zlib_.avail_out = sizeof step;
    const int rc = inflate(&zlib_, Z_SYNC_FLUSH);
    if (rc == Z_NEED_DICT) {
      if (inflateSetDictionary(&zlib_, kDictionary.data(), kDictionary.size()) != Z_OK) {
        return Fail(
            InvalidArgument("header block: compressed with another dictionary than SPDY/3's"));
      }
      continue;
    }
    inflated_.append(step, sizeof step - zlib_.avail_out);
    if (inflated_.size() > max_bytes_) {
      return Fail(ResourceExhausted("header block: over ", max_bytes_, " bytes when inflated"));
    }
    if (rc == Z_MEM_ERROR) return Fail(ResourceExhausted("inflate: no memory"));
    // Z_BUF_ERROR: nothing more to read and nothing more to say, which is how a block ends.
    if (rc != Z_OK && rc != Z_BUF_ERROR) {
      return Fail(InvalidArgument("header block: ", rc == Z_STREAM_END ? "the zlib stream ends"
                                                    : zlib_.msg        ? zlib_.msg
                                                                       : "not a zlib stream"));
    }
    if (zlib_.avail_in == 0 && zlib_.avail_out > 0) return std::string_view(inflated_);
    if (rc == Z_BUF_ERROR)
      return Fail(InvalidArgument("header block: bytes that inflate to nothing"));
  }
}

}  // namespace crisp::spdy
