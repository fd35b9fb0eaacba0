// Base64, RFC 4648.
//
// What:    of a whole text, whoever wrote it: DecodeBase64 takes padding or none, and newlines at
//          the end only; DecodeWrappedBase64 also white space anywhere (PEM, ASCII armour). Of text
//          in parts, and to the letter: Base64Decoder.
// Threads: free functions without state; a decoder is its owner's.
#ifndef CRISP_BASE_BASE64_H_
#define CRISP_BASE_BASE64_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp {

enum class Base64Alphabet { kStandard, kUrl };  // sections 4 and 5

// With padding in the standard alphabet, without in the other.
std::string EncodeBase64(std::string_view bytes,
                         Base64Alphabet alphabet = Base64Alphabet::kStandard);
// The standard alphabet. nullopt: another character.
std::optional<std::string> DecodeBase64(std::string_view text);
std::optional<std::string> DecodeWrappedBase64(std::string_view text);

// The standard alphabet, with its padding (section 3.2).
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

}  // namespace crisp

#endif  // CRISP_BASE_BASE64_H_
