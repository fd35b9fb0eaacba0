// Shared by the network room's tests: a temporary directory with fake plugins and configurations.
#ifndef CRISP_TESTS_UNIT_NETWORK_TEST_DIR_H_
#define CRISP_TESTS_UNIT_NETWORK_TEST_DIR_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <string>
#include <thread>

#include "base/core/clock.h"
#include "base/core/dir_fd.h"
#include "base/core/epoll_loop.h"
#include "base/core/file.h"
#include "tests/support/patience.h"

namespace crisp::network {

class TestDir {
 public:
  TestDir() {
    ::signal(SIGPIPE, SIG_IGN);  // as every program that runs children does
    std::string name = testing::TempDir() + "crisp-net-XXXXXX";
    path_ = ::mkdtemp(name.data());
    EXPECT_TRUE(EnsureDirectory(path_ + "/bin").ok());
    EXPECT_TRUE(EnsureDirectory(path_ + "/net.d").ok());
  }
  ~TestDir() { EXPECT_TRUE(RemoveTreeAt(path_).ok()); }

  const std::string& path() const { return path_; }
  std::string bin() const { return path_ + "/bin"; }
  std::string net_d() const { return path_ + "/net.d"; }

  void Write(const std::string& name, std::string_view text, mode_t mode = 0644) const {
    const std::string file = path_ + "/" + name;
    ASSERT_TRUE(WriteFile(file, text, mode).ok()) << file;
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
  }
  // A plugin that runs `body` with sh; $DIR is the temporary directory.
  void WritePlugin(const std::string& name, const std::string& body) const {
    Write("bin/" + name, "#!/bin/sh\nDIR=" + path_ + "\nME=" + name + "\n" + body + "\n", 0755);
  }
  // Records its environment and stdin as <name>.<command>.{env,in}, appends "<command> <name>" to
  // "log" and prints `result` on ADD.
  void WriteRecorder(const std::string& name, const std::string& result) const {
    WritePlugin(name,
                "env | sort > $DIR/$ME.$CNI_COMMAND.env\ncat > $DIR/$ME.$CNI_COMMAND.in\n"
                "echo $CNI_COMMAND $ME >> $DIR/log\n"
                "[ $CNI_COMMAND = ADD ] && cat <<'END'\n" +
                    result + "\nEND\nexit 0");
  }
  std::string Read(const std::string& name) const {
    auto text = ReadFile(path_ + "/" + name);
    return text.ok() ? *text : std::string();
  }

 private:
  std::string path_;
};

// A loop with its thread.
class LoopThread {
 public:
  LoopThread() : loop_(EpollLoop::Create().value()), thread_([this] { loop_->Run(); }) {}
  ~LoopThread() {
    loop_->Stop();
    thread_.join();
  }
  EpollLoop* get() const { return loop_.get(); }

 private:
  std::unique_ptr<EpollLoop> loop_;
  std::thread thread_;
};

using test::Eventually;

inline constexpr const char* kResult10 = R"({"cniVersion": "1.0.0",
  "interfaces": [{"name": "br0"}, {"name": "veth1"}, {"name": "eth0", "sandbox": "/run/ns/x"}],
  "ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1", "interface": 2},
          {"address": "fd00::3/64", "interface": 2}]})";

}  // namespace crisp::network

#endif  // CRISP_TESTS_UNIT_NETWORK_TEST_DIR_H_
