#include "base/base64.h"

#include <algorithm>

namespace crisp {
namespace {

constexpr char kStandardDigits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kUrlDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Of the standard alphabet; -1 for another character.
int DigitValue(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

}  // namespace

std::string EncodeBase64(std::string_view bytes, Base64Alphabet alphabet) {
  const char* const digits = alphabet == Base64Alphabet::kUrl ? kUrlDigits : kStandardDigits;
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (j < n ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j <= n; ++j) out.push_back(digits[bits >> (18 - 6 * j) & 63]);
    if (alphabet == Base64Alphabet::kStandard) out.append(3 - n, '=');
  }
  return out;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  while (text.ends_with('=') || text.ends_with('\n')) text.remove_suffix(1);
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = DigitValue(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xFFFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return out;
}

std::optional<std::string> DecodeWrappedBase64(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') plain.push_back(c);
  }
  return DecodeBase64(plain);
}

Status Base64Decoder::Feed(std::string_view text, std::string* out) {
  for (const char c : text) {
    if (c == '=' && (count_ == 2 || count_ == 3 || padded_)) {
      padded_ = true;
      continue;
    }
    const int value = DigitValue(c);
    if (value < 0 || padded_) return InvalidArgument("this is not base64");
    bits_ = bits_ << 6 | static_cast<uint32_t>(value);
    if (++count_ < 4) continue;
    out->push_back(static_cast<char>(bits_ >> 16));
    out->push_back(static_cast<char>(bits_ >> 8));
    out->push_back(static_cast<char>(bits_));
    bits_ = 0;
    count_ = 0;
  }
  if (padded_ && count_ >= 2) {
    out->push_back(static_cast<char>(bits_ >> (count_ == 2 ? 4 : 10)));
    if (count_ == 3) out->push_back(static_cast<char>(bits_ >> 2));
    count_ = 0;
    bits_ = 0;
  }
  return OkStatus();
}

Status Base64Decoder::End() {
  const bool whole = count_ == 0;
  *this = Base64Decoder();
  if (!whole) return InvalidArgument("base64 text ends within a group of four");
  return OkStatus();
}

}  // namespace crisp
