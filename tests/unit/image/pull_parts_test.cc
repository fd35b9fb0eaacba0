// The smaller parts of pulling: reservations, endpoints, challenges, the protocol, addresses.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image/layer_reservations.h"
#include "image/pinned_images.h"
#include "image/pull/auth_challenge.h"
#include "image/pull/http_client.h"
#include "image/puller_protocol.h"
#include "image/transfer_slots.h"

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

TEST(TransferSlots, AreHandedOnInOrder) {
  TransferSlots slots(2);
  const MailboxPtr a = *Mailbox::Create();
  const MailboxPtr b = *Mailbox::Create();
  EXPECT_TRUE(slots.Take(a));
  EXPECT_TRUE(slots.Take(a));
  EXPECT_FALSE(slots.Take(b));
  EXPECT_FALSE(slots.Take(b));  // waits once
  slots.Give(a);
  ASSERT_EQ(b->Take().size(), 1u);
  EXPECT_TRUE(slots.Take(b));
  EXPECT_FALSE(slots.Take(b));
  slots.Leave(a);
  const auto letters = b->Take();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].index, TransferSlots::kSlotFree);
  slots.Leave(b);
  EXPECT_TRUE(slots.Take(a) && slots.Take(a));
  EXPECT_FALSE(slots.Take(a));
}

TEST(TransferSlots, ToldButGoneWakesTheNext) {
  TransferSlots slots(1);
  const MailboxPtr a = *Mailbox::Create();
  const MailboxPtr b = *Mailbox::Create();
  const MailboxPtr c = *Mailbox::Create();
  EXPECT_TRUE(slots.Take(a));
  EXPECT_FALSE(slots.Take(b));
  EXPECT_FALSE(slots.Take(c));
  slots.Give(a);
  slots.Leave(b);  // it had been told
  EXPECT_EQ(c->Take().size(), 1u);
  slots.Give(b);  // held none
  EXPECT_TRUE(slots.Take(c));
  EXPECT_FALSE(slots.Take(a));
}

TEST(Origin, TellsPlacesApart) {
  EXPECT_EQ(OriginOf("https://Host/a?b"), "https://host:443");
  EXPECT_EQ(OriginOf("https://user:pw@host:443/"), "https://host:443");
  EXPECT_EQ(OriginOf("http://host"), "http://host:80");
  EXPECT_EQ(OriginOf("HTTP://[::1]:5000/x"), "http://[::1]:5000");
  EXPECT_EQ(OriginOf("file:///etc/passwd"), "");
  EXPECT_EQ(OriginOf("gopher://host/"), "");
  EXPECT_EQ(OriginOf("nonsense"), "");
}

TEST(PinnedImages, ExactBeginningAndWord) {
  Status mistake;
  const PinnedImages pinned(
      {"pause:1", "quay.io/base/*", "*coredns*", "a*b", "*x", "*", "Bad Name"}, &mistake);
  EXPECT_FALSE(mistake.ok());
  EXPECT_TRUE(pinned.Matches("docker.io/library/pause:1"));
  EXPECT_FALSE(pinned.Matches("docker.io/library/pause:2"));
  EXPECT_TRUE(pinned.Matches("quay.io/base/x:y"));
  EXPECT_FALSE(pinned.Matches("quay.io/bases/x:y"));
  EXPECT_TRUE(pinned.Matches("r.io/k8s/coredns/coredns@sha256:0"));
  EXPECT_FALSE(pinned.Matches("ab"));
  EXPECT_FALSE(PinnedImages().Matches("x"));
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
  PullerEndpoint endpoint;
  endpoint.url = "https://x";
  endpoint.repository = "a/b";
  endpoint.query = "ns=y";
  endpoint.resolve = false;
  endpoint.options.ca_files = {"/ca"};
  endpoint.options.headers["X-Token"] = "t";
  endpoint.options.client_key_file = "/key";
  endpoint.auth.password = "secret";
  request.endpoints = {endpoint};
  request.max_layer_bytes = 5;
  request.platform = {"linux", "amd64", ""};
  ASSERT_TRUE(a.Send(ToJson(request)).ok());
  const auto message = b.Receive();
  ASSERT_TRUE(message.ok() && message->has_value());
  const auto got = PullerRequestFromJson(**message);
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->reference, request.reference);
  const PullerEndpoint& sent = got->endpoints.at(0);
  EXPECT_EQ(sent.options.ca_files, endpoint.options.ca_files);
  EXPECT_EQ(sent.options.headers, endpoint.options.headers);
  EXPECT_EQ(sent.options.client_key_file, "/key");
  EXPECT_EQ(sent.repository, "a/b");
  EXPECT_EQ(sent.query, "ns=y");
  EXPECT_TRUE(sent.pull);
  EXPECT_FALSE(sent.resolve);
  EXPECT_EQ(sent.auth.password, "secret");
  EXPECT_EQ(got->max_layer_bytes, 5);
  Json other = ToJson(request);
  other["version"] = kPullerProtocolVersion + 1;
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
