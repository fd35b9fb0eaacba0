#include "server/streaming/tls_context.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "base/log.h"
#include "server/streaming/openssl_library.h"

namespace crisp::streaming {
namespace {

using State = WireResult::State;
using ContextPtr = std::shared_ptr<SSL_CTX>;

constexpr size_t kRecord_bytes = 16 << 10;  // the largest of TLS

// Never asks at a terminal.
int NoPassword(char*, int, int, void*) { return -1; }

class TlsWire final : public Wire {
 public:
  TlsWire(const OpenSslLibrary& library, ContextPtr context, UniqueFd socket, SSL* ssl)
      : library_(library), context_(std::move(context)), socket_(std::move(socket)), ssl_(ssl) {}
  ~TlsWire() override { library_.SSL_free(ssl_); }

  int fd() const override { return socket_.get(); }

  WireResult Handshake() override {
    library_.ERR_clear_error();
    return Interpret(library_.SSL_do_handshake(ssl_), "TLS handshake");
  }

  WireResult Read(char* data, size_t size) override {
    library_.ERR_clear_error();
    const int n = library_.SSL_read(ssl_, data, static_cast<int>(std::min<size_t>(size, 1 << 30)));
    WireResult out = Interpret(n, "read from the client");
    if (out.done()) out.bytes = static_cast<size_t>(n);
    return out;
  }

  // One record at a time, gathered: OpenSSL has no writev, and a record for each header of eight
  // bytes would be slow. What it could not send yet stays here (SSL_write must be repeated with
  // the same bytes).
  WireResult Write(const iovec* parts, int count) override {
    if (WireResult flushed = Flush(); !flushed.done()) return flushed;
    size_t taken = 0;
    for (int i = 0; i < count && taken < kRecord_bytes; ++i) {
      const size_t n = std::min(parts[i].iov_len, kRecord_bytes - taken);
      record_.resize(taken + n);
      std::memcpy(record_.data() + taken, parts[i].iov_base, n);
      taken += n;
    }
    WireResult flushed = Flush();
    if (flushed.state == State::kFailed) return flushed;
    return {State::kDone, taken, {}};
  }

  WireResult Flush() override {
    while (!record_.empty()) {
      library_.ERR_clear_error();
      const int n = library_.SSL_write(ssl_, record_.data(), static_cast<int>(record_.size()));
      WireResult out = Interpret(n, "write to the client");
      if (!out.done()) return out;
      record_.erase(0, static_cast<size_t>(n));
    }
    return {};
  }

  WireResult CloseWrite() override {
    library_.ERR_clear_error();
    const int n = library_.SSL_shutdown(ssl_);
    if (n >= 0) return {};
    WireResult out = Interpret(n, "end TLS");
    // The drain's time limit is all that is left to wait for.
    return out.state == State::kFailed ? std::move(out) : WireResult{};
  }

 private:
  WireResult Interpret(int n, const char* what) {
    if (n > 0) return {};
    const int saved_errno = errno;
    switch (library_.SSL_get_error(ssl_, n)) {
      case SSL_ERROR_WANT_READ:
        return {State::kAwaitRead, 0, {}};
      case SSL_ERROR_WANT_WRITE:
        return {State::kAwaitWrite, 0, {}};
      case SSL_ERROR_ZERO_RETURN:
        return {State::kEnd, 0, {}};
      case SSL_ERROR_SYSCALL:
        if (saved_errno == 0) return {State::kEnd, 0, {}};
        return {State::kFailed, 0, ErrnoStatus(saved_errno, what)};
      default:
        return {State::kFailed, 0, Unavailable(what, ": ", library_.TakeErrors())};
    }
  }

  const OpenSslLibrary& library_;
  const ContextPtr context_;
  const UniqueFd socket_;
  SSL* const ssl_;
  std::string record_;  // taken and not yet sent
};

}  // namespace

struct TlsContext::Impl {
  TlsFiles files;
  OpenSslLibrary library;
  std::mutex mutex;  // guards the rest
  ContextPtr context;
  std::array<int64_t, 12> stamp{};

  // What changes when one of the files does, also behind a symbolic link.
  std::array<int64_t, 12> Stamped() const {
    std::array<int64_t, 12> out{};
    size_t at = 0;
    for (const std::string* path : {&files.certificate, &files.key, &files.client_ca}) {
      struct stat st {};
      if (!path->empty() && ::stat(path->c_str(), &st) == 0) {
        out[at] = static_cast<int64_t>(st.st_ino);
        out[at + 1] = st.st_size;
        out[at + 2] = st.st_mtim.tv_sec;
        out[at + 3] = st.st_mtim.tv_nsec;
      }
      at += 4;
    }
    return out;
  }

  Result<ContextPtr> Make() const {
    library.ERR_clear_error();
    ContextPtr out(library.SSL_CTX_new(library.TLS_server_method()), library.SSL_CTX_free);
    SSL_CTX* const ctx = out.get();
    if (ctx == nullptr) return Internal("TLS: ", library.TakeErrors());
    library.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
    library.SSL_CTX_ctrl(ctx, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, nullptr);
    library.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, nullptr);
    library.SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
    library.SSL_CTX_set_num_tickets(ctx, 0);
    library.SSL_CTX_set_default_passwd_cb(ctx, NoPassword);
    const char* const key = files.key.c_str();
    if (library.SSL_CTX_use_certificate_chain_file(ctx, files.certificate.c_str()) != 1) {
      return InvalidArgument("certificate ", files.certificate, ": ", library.TakeErrors());
    }
    if (library.SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
      return InvalidArgument("key ", files.key, ": ", library.TakeErrors());
    }
    if (library.SSL_CTX_check_private_key(ctx) != 1) {
      return InvalidArgument("key ", files.key, " is not that of certificate ", files.certificate);
    }
    if (files.client_ca.empty()) return out;
    const char* const ca = files.client_ca.c_str();
    STACK_OF(X509_NAME)* const names = library.SSL_load_client_CA_file(ca);
    if (names == nullptr || library.SSL_CTX_load_verify_file(ctx, ca) != 1) {
      return InvalidArgument("client CA ", files.client_ca, ": ", library.TakeErrors());
    }
    library.SSL_CTX_set_client_CA_list(ctx, names);  // takes them
    library.SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return out;
  }

  Status Reload() {
    std::lock_guard lock(mutex);
    return ReloadLocked();
  }

  // The stamp counts also after a failure: a broken file is reported once.
  Status ReloadLocked() {
    stamp = Stamped();
    context = CRISP_TRY(Make());
    return OkStatus();
  }

  ContextPtr Current() {
    std::lock_guard lock(mutex);
    if (Stamped() != stamp) {
      const Status reloaded = ReloadLocked();
      if (reloaded.ok()) {
        log::Info("streaming certificate read again", {{"certificate", files.certificate}});
      } else {
        log::Warning("changed streaming certificate not used, the old one stays",
                     {{"error", reloaded}});
      }
    }
    return context;
  }
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::Open(TlsFiles files) {
  auto impl = std::make_unique<Impl>();
  impl->files = std::move(files);
  impl->library = CRISP_TRY(OpenSslLibrary::Load());
  CRISP_RETURN_IF_ERROR(impl->Reload());
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

Status TlsContext::Reload() { return impl_->Reload(); }

Result<std::unique_ptr<Wire>> TlsContext::MakeWire(UniqueFd socket) {
  ContextPtr context = impl_->Current();
  const OpenSslLibrary& library = impl_->library;
  SSL* const ssl = library.SSL_new(context.get());
  if (ssl == nullptr) return ResourceExhausted("TLS: ", library.TakeErrors());
  library.SSL_set_fd(ssl, socket.get());
  library.SSL_set_accept_state(ssl);
  return std::unique_ptr<Wire>(
      std::make_unique<TlsWire>(library, std::move(context), std::move(socket), ssl));
}

}  // namespace crisp::streaming
