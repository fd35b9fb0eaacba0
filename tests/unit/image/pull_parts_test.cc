// The smaller parts of pulling: reservations, slots, endpoints, challenges, the protocol,
// addresses.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image/layer_reservations.h"
#include "image/pinned_images.h"
#include "image/pull/auth_challenge.h"
#include "image/pull/http_client.h"
#include "image/pull_pace.h"
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
  all.Done("x", layer);
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

TEST(LayerReservations, ASlowOwnerPassesOnToOtherSources) {
  LayerReservations all;
  const MailboxPtr slow = *Mailbox::Create("slow");
  const MailboxPtr same = *Mailbox::Create("slow");
  const MailboxPtr other = *Mailbox::Create("other");
  const MailboxPtr third = *Mailbox::Create("third");
  EXPECT_TRUE(all.Reserve("x", slow, 0));
  EXPECT_FALSE(all.Reserve("x", same, 1));
  all.PassOn(slow);
  EXPECT_TRUE(same->Take().empty());  // from there it is fetched once
  EXPECT_FALSE(all.Reserve("x", other, 2));
  EXPECT_FALSE(all.Reserve("x", third, 3));
  all.PassOn(slow);
  const auto letters = other->Take();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].index, 2u);
  EXPECT_EQ(letters[0].layer, nullptr);
  all.PassOn(slow);  // it owns it no more
  EXPECT_TRUE(third->Take().empty());
  all.PassOn(other);
  EXPECT_EQ(third->Take().size(), 1u);
  // Whoever is first serves those who still wait.
  const auto layer = std::make_shared<Layer>();
  all.Done("x", layer);
  EXPECT_EQ(same->Take().at(0).layer, layer);
  EXPECT_TRUE(slow->Take().empty() && other->Take().empty() && third->Take().empty());
  all.Done("x", layer);
  EXPECT_TRUE(all.Reserve("x", same, 0));
}

TEST(LayerReservations, WhatIsYieldedComesBack) {
  LayerReservations all;
  const MailboxPtr a = *Mailbox::Create("r");
  const MailboxPtr b = *Mailbox::Create("r");
  EXPECT_TRUE(all.Reserve("x", a, 1));
  EXPECT_FALSE(all.Yield("x", a, 1)) << "nobody wants it";
  EXPECT_FALSE(all.Reserve("x", a, 2));
  EXPECT_FALSE(all.Yield("x", a, 1)) << "nobody else";
  EXPECT_FALSE(all.Reserve("x", b, 3));
  EXPECT_FALSE(all.Yield("x", b, 3)) << "not the owner";
  EXPECT_TRUE(all.Yield("x", a, 1));
  EXPECT_EQ(b->Take().at(0).index, 3u);
  EXPECT_TRUE(a->Take().empty());
  all.Leave(b);
  EXPECT_EQ(a->Take().at(0).index, 2u);
  const auto layer = std::make_shared<Layer>();
  all.Done("x", layer);
  EXPECT_EQ(a->Take().at(0).layer, layer);
}

// Which letters have come: "e" for entered, "+" for one more.
std::string News(const MailboxPtr& box) {
  std::string out;
  for (const Mailbox::Letter& letter : box->Take()) {
    out += letter.index == TransferSlots::kEntered   ? "e"
           : letter.index == TransferSlots::kOneMore ? "+"
                                                     : "?";
  }
  return out;
}

TEST(TransferSlots, WhoWaitsLongestIsServedFirst) {
  TransferSlots slots({2, 3});
  const MailboxPtr a = *Mailbox::Create();
  const MailboxPtr b = *Mailbox::Create();
  const MailboxPtr c = *Mailbox::Create();
  slots.Enter(a);
  slots.AskForMore(a);
  EXPECT_EQ(News(a), "e+");
  slots.Enter(b);
  slots.Enter(c);
  EXPECT_EQ(News(b), "e");
  EXPECT_EQ(News(c), "");
  slots.AskForMore(b);
  slots.AskForMore(b);  // waits once
  EXPECT_EQ(News(b), "");
  slots.GiveBack(a);
  slots.AskForMore(a);
  EXPECT_EQ(News(b) + News(a), "+");
  slots.GiveBack(a);
  slots.GiveBack(a);  // one it keeps
  EXPECT_EQ(News(b) + News(a) + News(c), "");
  slots.Leave(a);
  EXPECT_EQ(News(c), "e");
  slots.Leave(b);
  slots.AskForMore(c);
  EXPECT_EQ(News(c), "+");
  EXPECT_EQ(News(a) + News(b), "");
}

TEST(TransferSlots, WhoLeavesTheQueueIsForgotten) {
  TransferSlots slots({1, 1});
  const MailboxPtr a = *Mailbox::Create();
  const MailboxPtr b = *Mailbox::Create();
  const MailboxPtr c = *Mailbox::Create();
  slots.Enter(a);
  slots.Enter(b);
  slots.Enter(c);
  slots.Leave(b);
  slots.Leave(a);
  EXPECT_EQ(News(b), "");
  EXPECT_EQ(News(c), "e");
  slots.Leave(c);
  slots.AskForMore(c);  // not at work
  EXPECT_EQ(News(c), "");
}

TEST(TransferSlots, SlowPullsDoNotCount) {
  TransferSlots slots({1, 2});
  const MailboxPtr slow = *Mailbox::Create();
  const MailboxPtr fast = *Mailbox::Create();
  const MailboxPtr next = *Mailbox::Create();
  slots.Enter(slow);
  slots.AskForMore(slow);
  EXPECT_EQ(News(slow), "e+");
  slots.AskForMore(slow);
  slots.Enter(fast);
  EXPECT_EQ(News(fast), "");
  slots.SetSlow(slow, true);
  slots.AskForMore(fast);
  EXPECT_EQ(News(fast), "e+");
  EXPECT_EQ(News(slow), "") << "slow ones get no more";
  slots.Enter(next);
  slots.SetSlow(slow, false);
  slots.Leave(fast);
  EXPECT_EQ(News(next), "") << "one is at work again";
  slots.SetSlow(slow, true);
  EXPECT_EQ(News(next), "e");
}

TEST(PullPace, SlowIsWhoBringsLittleInAWindow) {
  MonoTime now{};
  PullPace pace(now);
  const auto after = [&](double windows) {
    return now += std::chrono::duration_cast<Duration>(windows * PullPace::kWindow);
  };
  constexpr int64_t kLeast = PullPace::kLeastBytes;
  EXPECT_EQ(pace.next_look(), now + PullPace::kWindow);
  EXPECT_TRUE(pace.IsSlow(after(1), {0}, false));
  EXPECT_TRUE(pace.IsSlow(after(1), {kLeast - 1}, false));
  EXPECT_FALSE(pace.IsSlow(after(1), {2 * kLeast}, false));
  EXPECT_TRUE(pace.IsSlow(after(2), {3 * kLeast}, false)) << "a late look has more to see";
  EXPECT_FALSE(pace.IsSlow(after(2), {5 * kLeast}, false));
  EXPECT_FALSE(pace.IsSlow(after(1), {5 * kLeast}, true)) << "all is here";
  EXPECT_TRUE(pace.IsSlow(after(1), {0}, false)) << "begun anew";
  EXPECT_EQ(pace.next_look(), now + PullPace::kWindow);
}

TEST(PullPace, ASlowDiskIsNoSlowRegistry) {
  MonoTime now{};
  PullPace pace(now);
  EXPECT_FALSE(pace.IsSlow(now += PullPace::kWindow, {0, PullPace::kWindow / 2}, false));
  EXPECT_TRUE(pace.IsSlow(now += PullPace::kWindow, {0, PullPace::kWindow / 2}, false));
}

TEST(PullPace, TimeWithNothingToFetchDoesNotCount) {
  MonoTime now{};
  PullPace pace(now);
  pace.Restart(now += PullPace::kWindow / 2, {PullPace::kLeastBytes});
  EXPECT_EQ(pace.next_look(), now + PullPace::kWindow);
  EXPECT_FALSE(pace.IsSlow(now += PullPace::kWindow, {2 * PullPace::kLeastBytes}, false));
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
  EXPECT_EQ(PrintableUrl("https:///u:p@host/a"), "https:///host/a");  // as libcurl reads it
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
