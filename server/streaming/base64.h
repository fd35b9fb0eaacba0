// Base64 (RFC 4648), both alphabets, and a decoder for text that arrives in parts.
#ifndef CRISP_SERVER_STREAMING_BASE64_H_
#define CRISP_SERVER_STREAMING_BASE64_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::streaming {

enum class Base64Alphabet { kStandard, kUrl };

// With padding in the standard alphabet, without in the other.
std::string EncodeBase64(std::string_view bytes, Base64Alphabet alphabet);

// The standard alphabet, with its padding (RFC 4648 section 3.2).
class Base64Decoder {
 public:
  // Appends what is complete to `out`. kInvalidArgument: a character that is none of the alphabet,
  // or anything behind the padding.
  Status Feed(std::string_view text, std::string* out);
  // Ends one text; the next Feed begins another. kInvalidArgument: it was cut short.
  Status End();

 private:
  uint32_t bits_ = 0;
  int count_ = 0;  // characters in bits_
  bool padded_ = false;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_BASE64_H_
