// Secret: bytes that are wiped when their owner ends.
//
// Threads: a value; moved, never copied.
#ifndef CRISP_IMAGE_PULL_SECRET_H_
#define CRISP_IMAGE_PULL_SECRET_H_

#include <openssl/crypto.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "image/pull/byte_stream.h"

namespace crisp::image {

class Secret {
 public:
  Secret() = default;
  explicit Secret(size_t size) : bytes_(size) {}
  // Takes the bytes out of `text`, which is wiped.
  explicit Secret(std::string&& text) : bytes_(text.begin(), text.end()) {
    ::OPENSSL_cleanse(text.data(), text.size());
    text.clear();
  }
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  Secret& operator=(Secret&& other) noexcept {
    Wipe();
    bytes_.swap(other.bytes_);
    return *this;
  }
  ~Secret() { Wipe(); }

  uint8_t* data() { return bytes_.data(); }
  const uint8_t* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  // Makes it smaller; what is cut off is wiped.
  void Shrink(size_t size) {
    ::OPENSSL_cleanse(bytes_.data() + size, bytes_.size() - size);
    bytes_.resize(size);
  }

 private:
  void Wipe() {
    ::OPENSSL_cleanse(bytes_.data(), bytes_.size());
    bytes_.clear();
  }
  std::vector<uint8_t> bytes_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_SECRET_H_
