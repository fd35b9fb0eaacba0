#include "base/ids.h"

#include <sys/random.h>

#include <cstdlib>

namespace crisp {

std::string RandomHex(size_t n_bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * n_bytes);
  while (out.size() < 2 * n_bytes) {
    unsigned char bytes[32];
    const ssize_t n = ::getrandom(bytes, sizeof(bytes), 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      std::abort();  // no kernel since 3.17 fails here; an id that is not random must not exist
    }
    for (ssize_t i = 0; i < n && out.size() < 2 * n_bytes; ++i) {
      out.push_back(kDigits[bytes[i] >> 4]);
      out.push_back(kDigits[bytes[i] & 15]);
    }
  }
  return out;
}

bool IsLowerHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace crisp
