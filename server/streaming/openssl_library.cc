#include "server/streaming/openssl_library.h"

#include <dlfcn.h>

#include <array>

namespace crisp::streaming {
namespace {

constexpr char kLibrary[] = "libssl.so.3";

}  // namespace

Result<OpenSslLibrary> OpenSslLibrary::Load() {
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    return FailedPrecondition("TLS needs OpenSSL 3 (", kLibrary,
                              "): ", why != nullptr ? why : "not found");
  }
  OpenSslLibrary out;
  // dlsym also looks into what the library itself needs: libcrypto.
#define CRISP_LOAD(name)                                                    \
  out.name = reinterpret_cast<decltype(out.name)>(::dlsym(library, #name)); \
  if (out.name == nullptr) return FailedPrecondition(kLibrary, " has no function ", #name);
  CRISP_OPENSSL_FUNCTIONS(CRISP_LOAD)
#undef CRISP_LOAD
  return out;
}

std::string OpenSslLibrary::TakeErrors() const {
  std::string out;
  while (const unsigned long code = ERR_get_error()) {
    std::array<char, 256> text{};
    ERR_error_string_n(code, text.data(), text.size());
    out += Cat(out.empty() ? "" : "; ", std::string_view(text.data()));
  }
  return out.empty() ? "OpenSSL gives no reason" : out;
}

}  // namespace crisp::streaming
