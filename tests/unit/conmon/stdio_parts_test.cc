// The parts of the monitor that move bytes, over real pipes and sockets in one process.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "conmon/client.h"
#include "conmon/container_stdin.h"
#include "conmon/output_stream.h"

namespace crisp::conmon {
namespace {

struct StdinOwner final : ContainerStdin::Owner {
  void OnStdinDrained() override { ++drained; }
  void OnStdinDeserted() override {}
  int drained = 0;
};

class ContainerStdinTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    ASSERT_TRUE(poller_.Open().ok());
    Result<FdPair> pipe = MakePipe(O_NONBLOCK);
    ASSERT_TRUE(pipe.ok());
    reader_ = std::move(pipe->first);
    stdin_.Take(std::move(pipe->second));
  }
  std::string ReadSome() {
    std::string data(1 << 20, '\0');
    const ssize_t n = ::read(reader_.get(), data.data(), data.size());
    data.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return data;
  }
  Poller poller_;
  StdinOwner owner_;
  ContainerStdin stdin_{&poller_, &owner_};
  UniqueFd reader_;
};

TEST_F(ContainerStdinTest, WhatThePipeDoesNotTakeIsKept) {
  std::string sent;
  for (char c = 'a'; !stdin_.blocked(); ++c) {
    const std::string packet(kMaxBody_bytes, c);
    stdin_.Write(packet);
    sent += packet;
    ASSERT_LT(sent.size(), size_t{64} << 20);
  }
  stdin_.Close();
  EXPECT_FALSE(stdin_.open());
  std::string got;
  while (got.size() < sent.size()) {
    got += ReadSome();
    poller_.Wait(100);
  }
  EXPECT_TRUE(got == sent);
  EXPECT_EQ(owner_.drained, 1);
  EXPECT_EQ(::read(reader_.get(), got.data(), 1), 0) << "closed after the last byte";
}

TEST_F(ContainerStdinTest, WhatComesThoughItIsBlockedIsKeptBehindTheRest) {
  std::string sent;
  while (!stdin_.blocked()) {
    sent += std::string(kMaxBody_bytes, 'x');
    stdin_.Write(std::string(kMaxBody_bytes, 'x'));
  }
  stdin_.Write("behind");
  sent += "behind";
  EXPECT_TRUE(stdin_.open());
  std::string got;
  while (got.size() < sent.size()) {
    const std::string some = ReadSome();
    ASSERT_FALSE(some.empty()) << got.size() << " of " << sent.size();
    got += some;
    poller_.Wait(0);
  }
  EXPECT_TRUE(got == sent);
}

TEST_F(ContainerStdinTest, ABrokenPipeCloses) {
  reader_.Reset();
  stdin_.Write("x");
  EXPECT_FALSE(stdin_.open());
  EXPECT_FALSE(stdin_.blocked());
  stdin_.Write("y");
}

TEST_F(ContainerStdinTest, APipeThatBreaksWhileBlockedIsDrained) {
  while (!stdin_.blocked()) stdin_.Write(std::string(kMaxBody_bytes, 'x'));
  reader_.Reset();
  poller_.Wait(1000);
  EXPECT_FALSE(stdin_.blocked());
  EXPECT_FALSE(stdin_.open());
  EXPECT_EQ(owner_.drained, 1);
}

struct Owner final : ClientOwner {
  void OnPacket(Client* client, const Packet& packet) override {
    ++packets;
    if (blocks_input != nullptr) blocks_input->PauseInput();
    if (!packet.is(MessageType::kAttachStdin)) client->Answer(packet.header.request, OkStatus());
  }
  void OnAttachInputEnd() override { ++input_ends; }
  int packets = 0;
  int input_ends = 0;
  Clients* blocks_input = nullptr;
};

class ClientTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(poller_.Open().ok());
    Result<FdPair> sockets = MakeSocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK);
    ASSERT_TRUE(sockets.ok());
    peer_ = std::move(sockets->first);
    Result<Client*> client = clients_.Add(std::move(sockets->second));
    ASSERT_TRUE(client.ok());
    client_ = *client;
  }
  void SendRaw(std::string_view bytes) {
    ASSERT_EQ(::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  UniqueFd AddAttached(uint8_t streams) {
    Result<FdPair> sockets = MakeSocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK);
    EXPECT_TRUE(sockets.ok());
    Result<Client*> client = clients_.Add(std::move(sockets->second));
    EXPECT_TRUE(client.ok());
    (*client)->Attach(streams);
    return std::move(sockets->first);
  }
  // Until the sockets of all who want output are full.
  void Stall() {
    const int64_t now = NowMs();
    while (clients_.ReadyForOutput(now)) {
      clients_.SendOutput(MessageType::kAttachStdout, std::string(kMaxBody_bytes, 'o'));
    }
  }
  std::string Receive() {
    std::string data(kMaxPacket_bytes, '\0');
    const ssize_t n = ::recv(peer_.get(), data.data(), data.size(), 0);
    data.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return data;
  }
  Poller poller_;
  Owner owner_;
  Clients clients_{&poller_, &owner_};
  UniqueFd peer_;
  Client* client_ = nullptr;
};

TEST_F(ClientTest, RequestsAreAnswered) {
  SendRaw(EncodePacket(MessageType::kStatus, 9));
  poller_.Wait(1000);
  EXPECT_EQ(owner_.packets, 1);
  const std::string bytes = Receive();
  const auto packet = DecodePacket(bytes);
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->is(MessageType::kOk));
  EXPECT_EQ(packet->header.request, 9u);
}

TEST_F(ClientTest, TruncatedAndOversizedPacketsEndTheConnection) {
  SendRaw("short");
  poller_.Wait(1000);
  EXPECT_FALSE(client_->alive());
  SetUp();
  SendRaw(std::string(kMaxPacket_bytes + 1, 'x'));
  poller_.Wait(1000);
  EXPECT_FALSE(client_->alive());
  clients_.Sweep();
  EXPECT_TRUE(clients_.all().empty());
  EXPECT_EQ(owner_.packets, 0);
}

TEST_F(ClientTest, EventsGoOnlyToThoseWhoSaidHello) {
  clients_.SendEvent(MessageType::kOom);
  EXPECT_EQ(Receive(), "");
  client_->said_hello = true;
  clients_.SendEvent(MessageType::kOom);
  EXPECT_EQ(Receive().size(), kHeaderSize);
}

TEST_F(ClientTest, OutputIsCutIntoPackets) {
  client_->Attach(AttachBody::kStdout);
  clients_.SendOutput(MessageType::kAttachStdout, std::string(kMaxBody_bytes + 10, 'o'));
  clients_.SendOutput(MessageType::kAttachStderr, "not wanted");
  EXPECT_EQ(Receive().size(), kMaxPacket_bytes);
  EXPECT_EQ(Receive().size(), kHeaderSize + 10);
  EXPECT_EQ(Receive(), "");
}

TEST_F(ClientTest, AFullClientIsWaitedForOnlyWithinItsBudget) {
  client_->Attach(AttachBody::kStdout);
  int64_t now = NowMs();
  while (clients_.ReadyForOutput(now)) {
    clients_.SendOutput(MessageType::kAttachStdout, std::string(kMaxBody_bytes, 'o'));
    ASSERT_TRUE(client_->alive());
  }
  EXPECT_GT(clients_.StallEndMs(), now + 1000);
  EXPECT_FALSE(clients_.ReadyForOutput(now + 500));
  while (!Receive().empty()) {
  }
  EXPECT_TRUE(clients_.ReadyForOutput(now + 600)) << "it caught up";
  now += 600;
  while (clients_.ReadyForOutput(now)) {
    clients_.SendOutput(MessageType::kAttachStdout, std::string(kMaxBody_bytes, 'o'));
  }
  EXPECT_LE(clients_.StallEndMs(), now + 1500) << "what it used up is not given again";
  EXPECT_TRUE(clients_.ReadyForOutput(now + 2100));
  EXPECT_FALSE(client_->alive()) << "too slow";
}

TEST_F(ClientTest, InputEndsOnceByMessageOrByConnection) {
  client_->Attach(AttachBody::kStdin);
  client_->EndInput();
  peer_.Reset();
  poller_.Wait(1000);
  EXPECT_FALSE(client_->alive());
  EXPECT_EQ(owner_.input_ends, 1);
  SetUp();
  client_->Attach(AttachBody::kStdin);
  peer_.Reset();
  poller_.Wait(1000);
  EXPECT_EQ(owner_.input_ends, 2);
}

TEST_F(ClientTest, PausedInputStaysInTheSocketEvenWhenTheClientLeaves) {
  client_->Attach(AttachBody::kStdin);
  client_->PauseInput();
  SendRaw(EncodePacket(MessageType::kAttachStdin, 0, "later"));
  peer_.Reset();
  EXPECT_EQ(poller_.Wait(50), 0) << "a hang-up must not spin";
  client_->ResumeInput();
  poller_.Wait(1000);
  EXPECT_EQ(owner_.packets, 1);
}

TEST_F(ClientTest, AStalledClientThatLeavesWhilePausedIsReadLater) {
  client_->Attach(AttachBody::kStdin | AttachBody::kStdout);
  Stall();
  client_->PauseInput();
  SendRaw(EncodePacket(MessageType::kAttachStdin, 0, "later"));
  peer_.Reset();
  poller_.Wait(1000);
  EXPECT_EQ(owner_.packets, 0);
  EXPECT_EQ(poller_.Wait(0), 0) << "a hang-up must not spin";
  EXPECT_EQ(clients_.StallEndMs(), INT64_MAX);
  client_->ResumeInput();
  for (int i = 0; i < 5 && client_->alive(); ++i) poller_.Wait(1000);
  EXPECT_EQ(owner_.packets, 1);
  EXPECT_EQ(owner_.input_ends, 1);
}

TEST_F(ClientTest, InputThatIsBlockedInThisRoundIsReadLater) {
  client_->Attach(AttachBody::kStdin | AttachBody::kStdout);
  const UniqueFd other = AddAttached(AttachBody::kStdin | AttachBody::kStdout);
  Stall();
  for (const auto& client : clients_.all()) ASSERT_LT(client->StallEndMs(), INT64_MAX);
  const std::string packet = EncodePacket(MessageType::kAttachStdin, 0, "typed");
  for (int fd : {peer_.get(), other.get()}) {
    ASSERT_EQ(::send(fd, packet.data(), packet.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(packet.size()));
  }
  owner_.blocks_input = &clients_;
  EXPECT_EQ(poller_.Wait(1000), 2);
  EXPECT_EQ(owner_.packets, 1);
  EXPECT_EQ(poller_.Wait(0), 0);
  owner_.blocks_input = nullptr;
  clients_.ResumeInput();
  poller_.Wait(1000);
  EXPECT_EQ(owner_.packets, 2);
}

TEST_F(ClientTest, WhoLeftWhilePausedMakesRoomToAttach) {
  std::vector<UniqueFd> peers;
  while (peers.size() < Clients::kMaxAttached) peers.push_back(AddAttached(AttachBody::kStdin));
  const auto alive = [this](size_t i) { return clients_.all()[1 + i]->alive(); };  // 0: client_
  clients_.PauseInput();
  EXPECT_FALSE(clients_.MakeRoomToAttach());
  for (size_t i : {3, 7}) peers[i].Reset();
  EXPECT_TRUE(clients_.MakeRoomToAttach());
  EXPECT_TRUE(clients_.MakeRoomToAttach()) << "there is room";
  EXPECT_FALSE(alive(3));
  EXPECT_TRUE(alive(7)) << "its input may still be read";
  EXPECT_EQ(owner_.input_ends, 1);
  client_->Attach(AttachBody::kStdout);
  EXPECT_TRUE(clients_.MakeRoomToAttach());
  EXPECT_FALSE(alive(7));
  peers.push_back(AddAttached(AttachBody::kStdin));
  EXPECT_EQ(clients_.CountAttached(), Clients::kMaxAttached);
  EXPECT_FALSE(clients_.MakeRoomToAttach());
  EXPECT_TRUE(client_->alive());
}

TEST_F(ClientTest, InputOfAClientThatLeftWithoutReadingIsNotLost) {
  client_->Attach(AttachBody::kStdin | AttachBody::kStdout);
  clients_.SendOutput(MessageType::kAttachStdout, "unread");
  SendRaw(EncodePacket(MessageType::kAttachStdin, 0, "one"));
  SendRaw(EncodePacket(MessageType::kAttachStdin, 0, "two"));
  peer_.Reset();
  clients_.SendOutput(MessageType::kAttachStdout, "into the void");
  for (int i = 0; i < 5 && client_->alive(); ++i) poller_.Wait(1000);
  EXPECT_EQ(owner_.packets, 2);
  EXPECT_EQ(owner_.input_ends, 1);
  EXPECT_FALSE(client_->alive());
}

struct StreamOwner final : OutputStream::Owner {
  void OnReadable(OutputStream*) override {}
  void OnData(MessageType, std::string_view data) override { seen += data; }
  std::string seen;
};

TEST(OutputStreamTest, LinesSpanReads) {
  char name[] = "/tmp/crisp-stream-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  const std::string path = std::string(name) + "/0.log";
  LogFile log;
  ASSERT_TRUE(log.Open(path).ok());
  Scratch scratch(1024);
  StreamOwner owner;
  OutputStream stream(MessageType::kAttachStderr, 1024, &owner);
  Result<FdPair> pipe = MakePipe(O_NONBLOCK);
  ASSERT_TRUE(pipe.ok());
  stream.Take(std::move(pipe->first));
  EXPECT_EQ(stream.ReadOnce(&scratch, &log), OutputStream::Outcome::kNothing);
  for (const char* part : {"ab", "c\nde", "f", "\ntail"}) {
    ASSERT_TRUE(WriteAll(pipe->second.get(), part).ok());
    EXPECT_EQ(stream.ReadOnce(&scratch, &log), OutputStream::Outcome::kData);
    scratch.Release();  // what is kept is not in the scratch memory
  }
  EXPECT_EQ(stream.unfinished_line(), "tail");
  stream.OnIdle(&scratch, &log);
  EXPECT_EQ(stream.unfinished_line(), "");
  stream.OnIdle(&scratch, &log);  // once is enough
  ASSERT_TRUE(WriteAll(pipe->second.get(), " wags\nend").ok());
  EXPECT_EQ(stream.ReadOnce(&scratch, &log), OutputStream::Outcome::kData);
  pipe->second.Reset();
  EXPECT_EQ(stream.ReadOnce(&scratch, &log), OutputStream::Outcome::kEnd);
  stream.End(&scratch, &log);
  EXPECT_FALSE(stream.open());
  EXPECT_EQ(owner.seen, "abc\ndef\ntail wags\nend");
  const Result<std::string> text = ReadFile(path);
  ASSERT_TRUE(text.ok());
  EXPECT_NE(text->find(" stderr F abc\n"), std::string::npos) << *text;
  EXPECT_NE(text->find(" stderr F def\n"), std::string::npos) << *text;
  EXPECT_NE(text->find(" stderr P tail\n"), std::string::npos) << *text;
  EXPECT_NE(text->find(" stderr F  wags\n"), std::string::npos) << *text;
  EXPECT_NE(text->find(" stderr P end\n"), std::string::npos) << *text;
  EXPECT_EQ(text->find("tail"), text->rfind("tail"));
  EXPECT_TRUE(RemoveTreeAt(name).ok());
}

}  // namespace
}  // namespace crisp::conmon
