// How fast a container's output reaches the CRI log, and what crisp-monitor weighs.
//
//   monitor_bench MONITOR log [MIB] [DIRECTORY]   bytes of 100-byte lines per second, by write size
//   monitor_bench MONITOR memory [COUNT]          PSS of COUNT idle monitors
//
// The program is its own OCI runtime (`--as-runtime`), so that nothing but the monitor is measured:
// no root and no container are needed. The container is a process that writes lines and ends.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/core/child_process.h"
#include "base/core/clock.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "conmon/protocol.h"

namespace {

using namespace crisp;          // NOLINT: a program of one file
using namespace crisp::conmon;  // NOLINT
constexpr size_t kLine_bytes = 100;

// --- the runtime and its container ---

void WriteLines(uint64_t total, size_t write_size, bool stay) {
  std::string chunk;
  while (chunk.size() + kLine_bytes <= std::max(write_size, kLine_bytes)) {
    chunk += std::string(kLine_bytes - 1, 'x') + '\n';
  }
  for (uint64_t done = 0; done < total; done += chunk.size()) {
    if (!WriteAll(STDOUT_FILENO, chunk).ok()) _exit(1);
  }
  if (stay) ::pause();
  _exit(0);
}

int RunAsRuntime(const std::vector<std::string>& arguments) {
  // arguments: TOTAL WRITE_SIZE exit|stay --log F --log-format json create --bundle B --pid-file P
  // ID
  const auto pid_file = std::find(arguments.begin(), arguments.end(), "--pid-file");
  if (arguments.size() < 5 || pid_file == arguments.end()) return 2;
  const uint64_t total = std::strtoull(arguments[0].c_str(), nullptr, 10);
  const size_t write_size = std::strtoull(arguments[1].c_str(), nullptr, 10);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return 1;
  if (pid == 0) {
    int signal = 0;
    ::sigwait(&set, &signal);  // "start"
    WriteLines(total, write_size, arguments[2] == "stay");
  }
  return WriteFile(pid_file[1], Cat(pid)).ok() ? 0 : 1;
}

// --- the daemon ---

struct Started {
  ChildProcess process;
  UniqueFd control;
  pid_t container = 0;
};

std::string Receive(int fd) {
  pollfd wait{fd, POLLIN, 0};
  std::string packet(kMaxPacket_bytes, '\0');
  for (;;) {
    ::poll(&wait, 1, -1);
    const ssize_t n = ::recv(fd, packet.data(), packet.size(), 0);
    if (n < 0 && errno == ECONNRESET) continue;
    if (n <= 0) return {};
    packet.resize(static_cast<size_t>(n));
    return packet;
  }
}

Result<Started> StartMonitor(const std::string& monitor, const std::string& dir, uint64_t total,
                             size_t write_size, bool stay) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(dir));
  FdPair sockets = CRISP_TRY(MakeSocketPair(SOCK_SEQPACKET));
  char self[4096] = {};
  if (::readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) return Errno("readlink");
  SpawnOptions spawn;
  spawn.argv = {monitor,
                "--id",
                "bench",
                "--bundle",
                dir,
                "--state-dir",
                dir,
                "--log-path",
                dir + "/log/0.log",
                "--",
                self,
                "--as-runtime",
                Cat(total),
                Cat(write_size),
                stay ? "stay" : "exit"};
  spawn.fds = {{sockets.second.get(), kControlFd}};
  Started started;
  started.process = CRISP_TRY(ChildProcess::Spawn(spawn));
  started.control = std::move(sockets.first);
  sockets.second.Reset();
  const std::string hello = EncodePacket(MessageType::kHello, 1, HelloBody().Encode());
  if (::send(started.control.get(), hello.data(), hello.size(), 0) < 0) return Errno("send");
  for (;;) {
    const std::string bytes = Receive(started.control.get());
    const auto packet = DecodePacket(bytes);
    if (!packet) return Unavailable("the monitor ended");
    if (packet->is(MessageType::kCreateFailed)) {
      return Internal(ErrorBody::Decode(packet->body).value_or(ErrorBody{}).text);
    }
    if (!packet->is(MessageType::kCreated)) continue;
    started.container = CreatedBody::Decode(packet->body).value_or(CreatedBody{}).pid;
    return started;
  }
}

Status MeasureLog(const std::string& monitor, const std::string& dir, uint64_t total,
                  size_t write_size) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(dir));
  Started started = CRISP_TRY(StartMonitor(monitor, dir + "/state", total, write_size, false));
  const MonoTime begin = MonoNow();
  ::kill(started.container, SIGUSR1);
  for (;;) {
    const std::string bytes = Receive(started.control.get());
    const auto packet = DecodePacket(bytes);
    if (!packet) return Unavailable("the monitor ended without an exit");
    if (packet->is(MessageType::kExit)) break;
  }
  const double seconds = std::chrono::duration<double>(MonoNow() - begin).count();
  struct stat info {};
  ::stat((dir + "/state/log/0.log").c_str(), &info);
  const uint64_t lines = (total + kLine_bytes - 1) / kLine_bytes;
  std::printf("%8zu bytes a write: %7.1f MB/s, log of %ld bytes for about %lu lines\n", write_size,
              static_cast<double>(total) / 1e6 / seconds, static_cast<long>(info.st_size),
              static_cast<unsigned long>(lines));
  return RemoveTreeAt(dir);
}

long Rollup(pid_t pid, const char* field) {
  const Result<std::string> text = ReadFile(Cat("/proc/", pid, "/smaps_rollup"));
  if (!text.ok()) return -1;
  const size_t at = text->find(std::string("\n") + field);
  return at == std::string::npos ? -1 : std::atol(text->c_str() + at + 2 + std::strlen(field));
}

void PrintMemory(const std::vector<Started>& all, const char* what) {
  double pss = 0;
  double dirty = 0;
  for (const Started& one : all) {
    pss += static_cast<double>(Rollup(one.process.pid(), "Pss:"));
    dirty += static_cast<double>(Rollup(one.process.pid(), "Private_Dirty:"));
  }
  const auto count = static_cast<double>(all.size());
  std::printf("%4zu monitors, %s: mean PSS %.0f KiB, of it private dirty %.0f KiB\n", all.size(),
              what, pss / count, dirty / count);
}

Status MeasureMemory(const std::string& monitor, const std::string& dir, int count) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(dir));
  std::vector<Started> all;
  for (int i = 0; i < count; ++i) {
    all.push_back(CRISP_TRY(StartMonitor(monitor, Cat(dir, "/state", i), 1 << 20, 100, true)));
  }
  PrintMemory(all, "quiet");
  for (const Started& one : all) ::kill(one.container, SIGUSR1);
  ::usleep(3000000);  // they write a megabyte each; buffers are given back after an idle second
  PrintMemory(all, "idle after 1 MiB of output");
  for (Started& one : all) {
    ::kill(one.container, SIGKILL);
    (void)one.process.Wait(MonoNow() + std::chrono::seconds(10));
  }
  return RemoveTreeAt(dir);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == "--as-runtime") {
    return RunAsRuntime({arguments.begin() + 1, arguments.end()});
  }
  ::signal(SIGPIPE, SIG_IGN);
  if (arguments.size() < 2 || (arguments[1] != "log" && arguments[1] != "memory")) {
    std::fprintf(stderr, "usage: monitor_bench MONITOR log [MIB] [DIRECTORY] | memory [COUNT]\n");
    return 2;
  }
  const long number = arguments.size() > 2 ? std::atol(arguments[2].c_str()) : 0;
  const std::string base = arguments.size() > 3 ? arguments[3] : "/tmp";
  const std::string dir = Cat(base, "/crisp-monitor-bench-", ::getpid());
  Status status;
  if (arguments[1] == "memory") {
    status = MeasureMemory(arguments[0], dir, static_cast<int>(number > 0 ? number : 50));
  } else {
    for (size_t size : {size_t{100}, size_t{4096}, size_t{65536}}) {
      const uint64_t total = static_cast<uint64_t>(number > 0 ? number : 300) << 20;
      if (status.ok()) status = MeasureLog(arguments[0], dir, total, size);
    }
  }
  if (!status.ok()) std::fprintf(stderr, "monitor_bench: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
