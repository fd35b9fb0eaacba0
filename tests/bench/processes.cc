// Finding processes and their memory.
#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>

#include "base/core/file.h"
#include "tests/bench/measure.h"

namespace crisp::bench {

Result<int> DaemonPid(const std::string& socket) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof(address.sun_path)) return InvalidArgument(socket, ": too long");
  std::memcpy(address.sun_path, socket.data(), socket.size());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Errno("connect to ", socket);
  }
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return Errno("SO_PEERCRED of ", socket);
  }
  return peer.pid;
}

Result<int64_t> PssKib(int pid) {
  const std::string text = CRISP_TRY(ReadFile(Cat("/proc/", pid, "/smaps_rollup")));
  const size_t at = text.find("\nPss:");
  if (at == std::string::npos) return Internal("no Pss in smaps_rollup of ", pid);
  size_t digits = text.find_first_of("0123456789", at);
  int64_t kib = 0;
  std::from_chars(text.data() + digits, text.data() + text.size(), kib);
  return kib;
}

std::vector<int> FindProcesses(const std::string& names) {
  std::vector<int> pids;
  DIR* dir = ::opendir("/proc");
  if (dir == nullptr) return pids;
  while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): own stream
    int pid = 0;
    const std::string name = entry->d_name;
    std::from_chars(name.data(), name.data() + name.size(), pid);
    if (pid <= 0) continue;
    const Result<std::string> comm = ReadFile(Cat("/proc/", name, "/comm"));
    if (!comm.ok()) continue;
    // The kernel cuts comm to 15 characters.
    const std::string_view own = Trim(*comm);
    for (size_t begin = 0; begin < names.size();) {
      const size_t comma = std::min(names.find(',', begin), names.size());
      if (std::string_view(names).substr(begin, comma - begin).substr(0, 15) == own) {
        pids.push_back(pid);
      }
      begin = comma + 1;
    }
  }
  ::closedir(dir);
  return pids;
}

}  // namespace crisp::bench
