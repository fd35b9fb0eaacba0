// The smaller parts of pulling: reservations, endpoints, challenges, the protocol, addresses.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image/layer_reservations.h"
#include "image/pull/auth_challenge.h"
#include "image/pull/http_client.h"
#include "image/puller_protocol.h"
#include "image/registry_endpoints.h"

namespace crisp::image {
namespace {

TEST(LayerReservations, FirstFetchesOthersGetIt) {
  LayerReservations all;
  const MailboxPtr a = *Mailbox::Create();
  const MailboxPtr b = *Mailbox::Create();
  EXPECT_TRUE(all.Reserve("x", a, 0));
  EXPECT_FALSE(all.Reserve("x", b, 3));
  EXPECT_FALSE(all.Reserve("x", a, 5));  // twice in one image
  const auto layer = std::make_shared<Layer>();
  all.Done("x", a, layer);
  const auto letters = b->Take();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].index, 3u);
  EXPECT_EQ(letters[0].layer, layer);
  EXPECT_EQ(a->Take().at(0).index, 5u);
  EXPECT_TRUE(b->Take().empty());
  EXPECT_TRUE(all.Reserve("x", b, 0));
}

TEST(LayerReservations, OwnerThatLeavesHandsOver) {
  LayerReservations all;
  const MailboxPtr a = *Mailbox::Create();
  const MailboxPtr b = *Mailbox::Create();
  const MailboxPtr c = *Mailbox::Create();
  EXPECT_TRUE(all.Reserve("x", a, 0));
  EXPECT_FALSE(all.Reserve("x", b, 1));
  EXPECT_FALSE(all.Reserve("x", c, 2));
  all.Leave(a);
  EXPECT_EQ(b->Take().at(0).layer, nullptr);
  EXPECT_TRUE(c->Take().empty());
  all.GiveUp("x", b);
  EXPECT_EQ(c->Take().at(0).layer, nullptr);
  all.Leave(c);
  EXPECT_TRUE(all.Reserve("x", a, 0));
}

std::vector<std::string> Urls(const std::vector<PullerEndpoint>& endpoints) {
  std::vector<std::string> out;
  for (const auto& e : endpoints) out.push_back(e.url + (e.send_credentials ? " +auth" : ""));
  return out;
}
using Strings = std::vector<std::string>;

TEST(EndpointsFor, SchemesAndNames) {
  EXPECT_EQ(Urls(EndpointsFor("docker.io", {}, {})), Strings{"https://registry-1.docker.io +auth"});
  EXPECT_EQ(Urls(EndpointsFor("quay.io", {}, {})), Strings{"https://quay.io +auth"});
  EXPECT_EQ(Urls(EndpointsFor("localhost:5000", {}, {})), Strings{"http://localhost:5000 +auth"});
  EXPECT_EQ(Urls(EndpointsFor("[::1]:5000", {}, {})), Strings{"http://[::1]:5000 +auth"});
  EXPECT_EQ(Urls(EndpointsFor("127.0.0.1.evil.io", {}, {})).size(), 1u);
  RegistryOptions plain;
  plain.plain_http = true;
  EXPECT_EQ(Urls(EndpointsFor("r.io", {{"r.io", plain}}, {})), Strings{"http://r.io +auth"});
  RegistryOptions tls;
  tls.ca_file = "/ca";
  EXPECT_EQ(Urls(EndpointsFor("127.0.0.1:1", {{"127.0.0.1:1", tls}}, {})),
            Strings{"https://127.0.0.1:1 +auth"});
}

TEST(EndpointsFor, MirrorsComeFirstWithoutCredentials) {
  RegistryOptions options;
  options.mirrors = {"mirror.io", "http://other.io:80/"};
  const std::map<std::string, RegistryOptions> registries = {{"docker.io", options}};
  RegistryAuth auth;
  auth.username = "u";
  EXPECT_EQ(
      Urls(EndpointsFor("docker.io", registries, auth)),
      (Strings{"https://mirror.io", "http://other.io:80", "https://registry-1.docker.io +auth"}));
  auth.server_address = "https://index.docker.io/v1/";
  EXPECT_EQ(Urls(EndpointsFor("docker.io", registries, auth)).back(),
            "https://registry-1.docker.io +auth");
  auth.server_address = "mirror.io";
  EXPECT_EQ(
      Urls(EndpointsFor("docker.io", registries, auth)),
      (Strings{"https://mirror.io +auth", "http://other.io:80", "https://registry-1.docker.io"}));
}

TEST(ParseChallenges, ReadsBearerAndBasic) {
  const auto all = ParseChallenges(
      R"(Bearer realm="https://a/t?x=1,2",service="s \"q\"", scope="repository:a/b:pull,push", Basic realm="r")");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].scheme, "bearer");
  EXPECT_EQ(all[0].Param("realm"), "https://a/t?x=1,2");
  EXPECT_EQ(all[0].Param("service"), "s \"q\"");
  EXPECT_EQ(all[0].Param("scope"), "repository:a/b:pull,push");
  EXPECT_EQ(all[1].scheme, "basic");
  EXPECT_EQ(ParseChallenges("Negotiate, Basic realm=x").at(1).Param("realm"), "x");
  for (const char* odd : {"", ",", "=", "Bearer =x", "Bearer realm=\"x", "\"", "a=b"}) {
    (void)ParseChallenges(odd);
  }
}

TEST(Addresses, ShowNoSecrets) {
  EXPECT_EQ(PrintableUrl("https://u:p@host/a?sig=secret#x"), "https://host/a");
  EXPECT_EQ(PrintableUrl("http://host:1/a@b"), "http://host:1/a@b");
  EXPECT_EQ(BasicAuthorization("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(UrlEncode("a b/ü"), "a%20b%2F%C3%BC");
}

TEST(FrameSocket, CarriesMessages) {
  FdPair pair = *MakeSocketPair(SOCK_STREAM);
  FrameSocket a(std::move(pair.first));
  FrameSocket b(std::move(pair.second));
  PullerRequest request;
  request.reference = "docker.io/library/a:b";
  request.endpoints = {{"https://x", true, "/ca", true}};
  request.auth.password = "secret";
  request.platform = {"linux", "amd64", ""};
  ASSERT_TRUE(a.Send(ToJson(request)).ok());
  const auto message = b.Receive();
  ASSERT_TRUE(message.ok() && message->has_value());
  const auto got = PullerRequestFromJson(**message);
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->reference, request.reference);
  EXPECT_EQ(got->endpoints[0].ca_file, "/ca");
  EXPECT_EQ(got->auth.password, "secret");
  Json other = ToJson(request);
  other["version"] = 2;
  EXPECT_EQ(PullerRequestFromJson(other).status().code(), Code::kFailedPrecondition);
  a = FrameSocket(UniqueFd());
  const auto end = b.Receive();
  EXPECT_TRUE(end.ok() && !end->has_value());
}

TEST(FrameSocket, RefusesGarbage) {
  FdPair pair = *MakeSocketPair(SOCK_STREAM);
  FrameSocket b(std::move(pair.second));
  ASSERT_EQ(::write(pair.first.get(), "\xff\xff\xff\xff", 4), 4);
  EXPECT_FALSE(b.Receive().ok());
  EXPECT_EQ(ErrorFromJson(Json{{"code", 99}, {"message", "x"}}).code(), Code::kInternal);
  const Status status = ErrorFromJson(ErrorToJson(NotFound("gone")));
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_EQ(status.message(), "gone");
}

}  // namespace
}  // namespace crisp::image
