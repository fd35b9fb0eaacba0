// A monitor's end of an attach connection, for tests without a container.
#ifndef CRISP_TESTS_UNIT_OCI_FAKE_MONITOR_H_
#define CRISP_TESTS_UNIT_OCI_FAKE_MONITOR_H_

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/core/file.h"
#include "conmon/protocol.h"
#include "oci/monitor_files.h"

namespace crisp::oci {

class FakeMonitor {
 public:
  FakeMonitor() {
    char pattern[] = "/tmp/crisp-monitor-XXXXXX";
    dir_ = ::mkdtemp(pattern);
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, SocketPath().c_str(), SocketPath().size() + 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_.get(), 5), 0);
  }
  ~FakeMonitor() {
    if (thread_.joinable()) thread_.join();
    ::unlink(SocketPath().c_str());
    ::rmdir(dir_.c_str());
  }

  const std::string& dir() const { return dir_; }
  std::string SocketPath() const { return dir_ + "/" + std::string(conmon::kSocketName); }

  // Takes one client and answers its attach with `answer`, in a thread of its own.
  void Serve(conmon::MessageType answer = conmon::MessageType::kOk, const std::string& body = "") {
    thread_ = std::thread([this, answer, body] {
      Accept();
      for (;;) {
        const std::string bytes = Receive();
        const auto packet = conmon::DecodePacket(bytes);
        if (!packet) return;
        if (packet->is(conmon::MessageType::kHello)) {
          Send(conmon::MessageType::kHelloAck, packet->header.request,
               conmon::HelloBody{1, 1, "fake"}.Encode());
        } else if (packet->is(conmon::MessageType::kAttach)) {
          streams_ = conmon::AttachBody::Decode(packet->body)->streams;
          Send(answer, packet->header.request, body);
          return;
        }
      }
    });
  }
  void AwaitServed() { thread_.join(); }
  // So many clients that the kernel takes no more of them, as with a monitor that was stopped.
  std::vector<UniqueFd> FillBacklog() const {
    std::vector<UniqueFd> waiting;
    auto client = ConnectToMonitor(dir_);
    for (; client.ok() && waiting.size() < 1000; client = ConnectToMonitor(dir_)) {
      waiting.push_back(*std::move(client));
    }
    EXPECT_EQ(client.status().sys_errno(), EAGAIN);
    return waiting;
  }
  // Takes the client that has waited longest, or the next that comes.
  void Accept() {
    pollfd wait{listener_.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&wait, 1, 20'000), 1) << "nobody came";
    client_ = UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(client_.valid());
  }

  // One packet, waiting two seconds for it; empty: none, or the end.
  std::string Receive() {
    pollfd wait{client_.get(), POLLIN, 0};
    if (::poll(&wait, 1, 2000) <= 0) return {};
    std::string bytes(conmon::kMaxPacket_bytes, '\0');
    const ssize_t n = ::recv(client_.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return bytes;
  }
  // The body of the next packet, which must be of that type.
  std::string Expect(conmon::MessageType type) {
    const std::string bytes = Receive();
    const auto packet = conmon::DecodePacket(bytes);
    if (!packet || !packet->is(type)) {
      ADD_FAILURE() << "another message";
      return {};
    }
    return std::string(packet->body);
  }
  void Send(conmon::MessageType type, uint32_t request, std::string_view body) {
    const std::string packet = conmon::EncodePacket(type, request, body);
    EXPECT_EQ(::send(client_.get(), packet.data(), packet.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(packet.size()));
  }
  void Hangup() { client_.Reset(); }
  int client() const { return client_.get(); }
  uint8_t streams() const { return streams_; }

 private:
  std::string dir_;
  UniqueFd listener_;
  UniqueFd client_;
  std::thread thread_;
  uint8_t streams_ = 0;
};

}  // namespace crisp::oci

#endif  // CRISP_TESTS_UNIT_OCI_FAKE_MONITOR_H_
