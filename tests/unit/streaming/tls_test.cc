// TLS with certificates made here.
#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "fake_sessions.h"

namespace crisp::streaming {
namespace {

using ::testing::HasSubstr;

template <typename T, auto Free>
struct Freeing {
  void operator()(T* t) const { Free(t); }
};
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freeing<X509, X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freeing<SSL_CTX, SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Freeing<SSL, SSL_free>>;

struct Identity {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate{X509_new()};

  // Self-signed when there is no issuer.
  Identity(const std::string& name, const Identity* issuer) {
    X509* const x = certificate.get();
    X509_set_version(x, 2);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    const Identity& signer = issuer != nullptr ? *issuer : *this;
    X509_set_issuer_name(x, X509_get_subject_name(signer.certificate.get()));
    if (issuer == nullptr) {
      X509_EXTENSION* const ca =
          X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
      X509_add_ext(x, ca, -1);
      X509_EXTENSION_free(ca);
    }
    X509_sign(x, signer.key.get(), EVP_sha256());
  }
  void WriteTo(const std::string& certificate_path, const std::string& key_path) const {
    FILE* file = std::fopen(certificate_path.c_str(), "we");
    PEM_write_X509(file, certificate.get());
    std::fclose(file);
    if (key_path.empty()) return;
    file = std::fopen(key_path.c_str(), "we");
    PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
  }
};

class TlsTest : public StreamingServerTest {
 protected:
  void SetUp() override {
    std::string dir = JoinPath(::testing::TempDir(), "crisp-tls-XXXXXX");
    ASSERT_NE(::mkdtemp(dir.data()), nullptr);
    dir_ = dir;
    options_.tls = {Path("cert.pem"), Path("key.pem"), ""};
    Identity("first", nullptr).WriteTo(options_.tls.certificate, options_.tls.key);
  }
  void TearDown() override {
    server_.reset();
    EXPECT_TRUE(RemoveTreeAt(dir_).ok());
  }
  std::string Path(const std::string& name) const { return JoinPath(dir_, name); }

  // Ends with the connection made, or nothing.
  Connection Connect(TestClient* client, const Identity* identity = nullptr,
                     int highest = TLS1_3_VERSION) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), highest);
    SSL_CTX_set_security_level(context_.get(), 0);
    if (identity != nullptr) {
      SSL_CTX_use_certificate(context_.get(), identity->certificate.get());
      SSL_CTX_use_PrivateKey(context_.get(), identity->key.get());
    }
    Connection out(SSL_new(context_.get()));
    SSL_set_fd(out.get(), client->fd());
    if (SSL_connect(out.get()) != 1) out.reset();
    return out;
  }
  static std::string PeerName(const Connection& connection) {
    const Certificate peer(SSL_get1_peer_certificate(connection.get()));
    char name[64] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, name, 64);
    return name;
  }
  static std::string ReadToEnd(const Connection& connection) {
    std::string out;
    char buffer[16384];
    for (;;) {
      const int n = SSL_read(connection.get(), buffer, sizeof(buffer));
      if (n <= 0) return out;
      out.append(buffer, static_cast<size_t>(n));
    }
  }
  std::string NameOfServer() {
    TestClient client(server().port());
    const Connection connection = Connect(&client);
    return connection != nullptr ? PeerName(connection) : "no connection";
  }
  static void Write(const Connection& connection, const std::string& bytes) {
    ASSERT_EQ(SSL_write(connection.get(), bytes.data(), static_cast<int>(bytes.size())),
              static_cast<int>(bytes.size()));
  }

  std::string dir_;
  Context context_;
};

TEST_F(TlsTest, WholeSession) {
  const std::string url = ExecUrl({"flood", "5000000"});
  EXPECT_THAT(url, HasSubstr("https://127.0.0.1:"));
  TestClient client(server().port());
  const Connection connection = Connect(&client);
  ASSERT_NE(connection, nullptr);
  Write(connection, WebSocketUpgrade(url, "v5.channel.k8s.io"));
  std::string bytes = ReadToEnd(connection);
  EXPECT_EQ(SSL_get_shutdown(connection.get()) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
  ASSERT_THAT(bytes.substr(0, 100), HasSubstr("101 Switching Protocols"));
  bytes.erase(0, bytes.find("\r\n\r\n") + 4);
  std::string out;
  uint8_t last = 0;
  for (const ServerFrame& frame : TakeFrames(&bytes)) {
    last = frame.opcode;
    if (frame.opcode == 2 && frame.payload[0] == 1) out += frame.payload.substr(1);
  }
  EXPECT_EQ(last, 8);
  EXPECT_TRUE(out == Pattern(0, 5000000));
}

TEST_F(TlsTest, PlainAndOldClientsAreRefused) {
  TestClient plain(server().port());
  ASSERT_TRUE(plain.Write("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(plain.ReadToEnd().find("404"), std::string::npos);
  TestClient old(server().port());
  EXPECT_EQ(Connect(&old, nullptr, TLS1_1_VERSION), nullptr);
  TestClient fine(server().port());
  EXPECT_NE(Connect(&fine, nullptr, TLS1_2_VERSION), nullptr);
}

TEST_F(TlsTest, ClientCertificates) {
  const Identity authority("authority", nullptr);
  const Identity stranger("stranger", nullptr);
  const Identity kubelet("kubelet", &authority);
  options_.tls.client_ca = Path("ca.pem");
  authority.WriteTo(options_.tls.client_ca, "");
  const std::string request = "GET / HTTP/1.1\r\n\r\n";
  // With TLS 1.3 a client learns of its refusal when it reads.
  for (const Identity* identity : {static_cast<const Identity*>(nullptr), &stranger}) {
    TestClient client(server().port());
    const Connection connection = Connect(&client, identity);
    if (connection == nullptr) continue;
    SSL_write(connection.get(), request.data(), static_cast<int>(request.size()));
    EXPECT_EQ(ReadToEnd(connection), "");
  }
  TestClient client(server().port());
  const Connection connection = Connect(&client, &kubelet);
  ASSERT_NE(connection, nullptr);
  Write(connection, request);
  EXPECT_THAT(ReadToEnd(connection), HasSubstr("404"));
}

TEST_F(TlsTest, ReloadOnRequestAndOnChange) {
  EXPECT_EQ(NameOfServer(), "first");
  TestClient old(server().port());
  const Connection kept = Connect(&old);
  Identity("second", nullptr).WriteTo(Path("cert.pem"), Path("key.pem"));
  EXPECT_TRUE(server().ReloadCertificates().ok());
  EXPECT_EQ(NameOfServer(), "second");
  // As a certificate manager does it: by rename, without a signal.
  Identity("third", nullptr).WriteTo(Path("new-cert.pem"), Path("new-key.pem"));
  ASSERT_EQ(std::rename(Path("new-key.pem").c_str(), Path("key.pem").c_str()), 0);
  ASSERT_EQ(std::rename(Path("new-cert.pem").c_str(), Path("cert.pem").c_str()), 0);
  EXPECT_EQ(NameOfServer(), "third");
  // A broken file changes nothing.
  ASSERT_EQ(std::rename(Path("key.pem").c_str(), Path("aside.pem").c_str()), 0);
  EXPECT_EQ(NameOfServer(), "third");
  EXPECT_FALSE(server().ReloadCertificates().ok());
  EXPECT_EQ(NameOfServer(), "third");
  Write(kept, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(ReadToEnd(kept), HasSubstr("404"));
}

TEST_F(TlsTest, BadFilesAreErrorsAtOpen) {
  for (int i = 0; i < 3; ++i) {
    Options bad = options_;
    if (i == 0) bad.tls.certificate = Path("none.pem");
    if (i == 1) bad.tls.key = options_.tls.certificate;
    if (i == 2) {
      Identity("other", nullptr).WriteTo(Path("unused.pem"), Path("other.pem"));
      bad.tls.key = Path("other.pem");
    }
    const auto opened = StreamingServer::Open(bad);
    EXPECT_EQ(opened.status().code(), Code::kInvalidArgument) << opened.status().ToString();
    EXPECT_THAT(opened.status().message(), HasSubstr(".pem"));
  }
}

TEST_F(TlsTest, SilentHandshakeIsASlowRequest) {
  options_.request_deadline = std::chrono::milliseconds(100);
  TestClient silent(server().port());
  silent.ReadToEnd();
  EXPECT_TRUE(silent.at_end());
  EXPECT_EQ(Refused("slow_request"), 1u);
}

}  // namespace
}  // namespace crisp::streaming
