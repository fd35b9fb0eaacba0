#include "image/pull/content_sum.h"

#include <isa-l/crc64.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace crisp::image {
namespace {

constexpr size_t kRead_bytes = 256 << 10;

}  // namespace

uint64_t AddToSum(uint64_t sum, Bytes bytes) {
  return ::crc64_ecma_refl(sum, bytes.data(), bytes.size());
}

Result<uint64_t> SumOfFile(int fd) {
  std::vector<uint8_t> buffer(kRead_bytes);
  uint64_t sum = 0;
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("read");
    if (n == 0) return sum;
    sum = AddToSum(sum, Bytes(buffer.data(), static_cast<size_t>(n)));
  }
}

std::string SumText(uint64_t sum) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(sum));
  return text;
}

void ContentSums::Put(ino_t inode, std::optional<uint64_t> sum) {
  if (full_) return;
  if (files_.size() == kMaxSums) {  // some alone would not tell which inodes were given again
    full_ = true;
    files_ = {};
    return;
  }
  files_.push_back({inode, sum.value_or(0), static_cast<uint32_t>(files_.size()), sum.has_value()});
}

void ContentSums::Seal() {
  // Not stable_sort: that takes as much memory again.
  std::sort(files_.begin(), files_.end(), [](const File& a, const File& b) {
    return a.inode != b.inode ? a.inode < b.inode : a.order < b.order;
  });
}

std::optional<uint64_t> ContentSums::Find(ino_t inode) const {
  const auto behind =
      std::upper_bound(files_.begin(), files_.end(), static_cast<uint64_t>(inode),
                       [](uint64_t wanted, const File& f) { return wanted < f.inode; });
  if (behind == files_.begin()) return std::nullopt;
  const File& last = *(behind - 1);
  if (last.inode != inode || !last.has_sum) return std::nullopt;
  return last.sum;
}

}  // namespace crisp::image
