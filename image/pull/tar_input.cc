#include "image/pull/tar_input.h"

#include <algorithm>
#include <cstring>

namespace crisp::image {
namespace {

Status CutOff() { return DataLoss("the tar archive is cut off"); }

}  // namespace

Result<bool> TarInput::Fill() {
  if (rest_.empty()) rest_ = CRISP_TRY(stream_.Next());
  return !rest_.empty();
}

Result<Bytes> TarInput::Block() {
  if (!CRISP_TRY(Fill())) return Bytes();
  if (rest_.size() >= kTarBlock) {
    const Bytes out = rest_.first(kTarBlock);
    rest_ = rest_.subspan(kTarBlock);
    offset_ += kTarBlock;
    return out;
  }
  size_t have = 0;
  while (have < kTarBlock) {
    if (!CRISP_TRY(Fill())) return CutOff();
    const size_t n = std::min(rest_.size(), kTarBlock - have);
    std::memcpy(block_.data() + have, rest_.data(), n);
    rest_ = rest_.subspan(n);
    have += n;
  }
  offset_ += kTarBlock;
  return Bytes(block_);
}

Result<Bytes> TarInput::Some(int64_t limit) {
  if (!CRISP_TRY(Fill())) return CutOff();
  const size_t n = static_cast<size_t>(std::min<int64_t>(limit, rest_.size()));
  const Bytes out = rest_.first(n);
  rest_ = rest_.subspan(n);
  offset_ += static_cast<int64_t>(n);
  return out;
}

Result<std::string> TarInput::Text(int64_t size) {
  std::string out;
  out.reserve(static_cast<size_t>(size));
  while (static_cast<int64_t>(out.size()) < size) {
    const Bytes some = CRISP_TRY(Some(size - static_cast<int64_t>(out.size())));
    out.append(reinterpret_cast<const char*>(some.data()), some.size());
  }
  return out;
}

Status TarInput::Skip(int64_t size) {
  while (size > 0) size -= static_cast<int64_t>(CRISP_TRY(Some(size)).size());
  return OkStatus();
}

Status TarInput::SkipPadding(int64_t size) {
  while (size > 0 && CRISP_TRY(Fill())) size -= static_cast<int64_t>(CRISP_TRY(Some(size)).size());
  return OkStatus();
}

}  // namespace crisp::image
