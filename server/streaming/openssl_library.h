// OpenSslLibrary: libssl, loaded when TLS is configured and not before.
//
// Why:      linked, it would cost every crispd some 400 KiB of relocated tables and the start a few
//           milliseconds, for something that nearly no node uses: the kubelet speaks plain HTTP on
//           loopback (streaming.md section 2). And the distribution's updates reach it.
// Contract: OpenSSL 3's ABI (libssl.so.3); the names are its own.
// Threads:  any; it is never unloaded.
#ifndef CRISP_SERVER_STREAMING_OPENSSL_LIBRARY_H_
#define CRISP_SERVER_STREAMING_OPENSSL_LIBRARY_H_

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string>

#include "base/core/result.h"

namespace crisp::streaming {

#define CRISP_OPENSSL_FUNCTIONS(X)      \
  X(TLS_server_method)                  \
  X(SSL_CTX_new)                        \
  X(SSL_CTX_free)                       \
  X(SSL_CTX_ctrl)                       \
  X(SSL_CTX_set_options)                \
  X(SSL_CTX_set_num_tickets)            \
  X(SSL_CTX_set_default_passwd_cb)      \
  X(SSL_CTX_use_certificate_chain_file) \
  X(SSL_CTX_use_PrivateKey_file)        \
  X(SSL_CTX_check_private_key)          \
  X(SSL_CTX_load_verify_file)           \
  X(SSL_load_client_CA_file)            \
  X(SSL_CTX_set_client_CA_list)         \
  X(SSL_CTX_set_verify)                 \
  X(SSL_new)                            \
  X(SSL_free)                           \
  X(SSL_set_fd)                         \
  X(SSL_set_accept_state)               \
  X(SSL_do_handshake)                   \
  X(SSL_read)                           \
  X(SSL_write)                          \
  X(SSL_shutdown)                       \
  X(SSL_get_error)                      \
  X(ERR_clear_error)                    \
  X(ERR_get_error)                      \
  X(ERR_error_string_n)

struct OpenSslLibrary {
#define CRISP_DECLARE(name) decltype(&::name) name = nullptr;
  CRISP_OPENSSL_FUNCTIONS(CRISP_DECLARE)
#undef CRISP_DECLARE

  // kFailedPrecondition: not installed, or another version.
  static Result<OpenSslLibrary> Load();
  // What the last call said was wrong; clears it.
  std::string TakeErrors() const;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_OPENSSL_LIBRARY_H_
