#include "oci/monitor_files.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/pidfd.h"
#include "base/core/process_stat.h"
#include "oci/monitor.h"

namespace crisp::oci {
namespace {

constexpr size_t kSmallFile_bytes = 4096;

std::string PathOf(const std::string& state_dir, std::string_view name) {
  return Cat(state_dir, "/", name);
}

}  // namespace

Result<ExitRecord> ReadExitRecord(const std::string& state_dir) {
  const std::string path = PathOf(state_dir, conmon::kExitFileName);
  const std::string text = CRISP_TRY(ReadFile(path, kSmallFile_bytes).Wrap("exit record"));
  const std::optional<conmon::ExitRecord> record = conmon::ExitRecord::FromText(text);
  if (!record) return DataLoss("exit record ", path, ": not of version 1 or damaged");
  return ExitRecord{record->exit_code, record->signal, record->oom_killed, record->finished_at_ns};
}

Result<conmon::PidFile> ReadPidFile(const std::string& state_dir) {
  const std::string path = PathOf(state_dir, conmon::kPidFileName);
  const std::string text = CRISP_TRY(ReadFile(path, kSmallFile_bytes).Wrap("pid file"));
  std::optional<conmon::PidFile> file = conmon::PidFile::FromText(text);
  if (!file) return DataLoss("pid file ", path, ": not of version 1 or damaged");
  return *file;
}

Result<UniqueFd> ConnectToMonitor(const std::string& state_dir) {
  const DirFd dir = CRISP_TRY(DirFd::Open(state_dir));
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Errno("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = Cat("/proc/self/fd/", dir.get(), "/", conmon::kSocketName);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    Status failed = Errno("connect to ", state_dir, "/", conmon::kSocketName);
    // EAGAIN: its backlog is full; it has not accepted anything for a long time.
    const bool nobody = failed.sys_errno() == ECONNREFUSED || failed.sys_errno() == EAGAIN;
    return nobody ? std::move(failed).WithCode(Code::kUnavailable) : std::move(failed);
  }
  return fd;
}

Result<UniqueFd> OpenContainerProcess(const MonitorProcess& process) {
  return OpenProcess(process.container_pid, process.container_start_time);
}

Result<UniqueFd> OpenProcess(pid_t pid, uint64_t start_time) {
  if (pid <= 0) return NotFound("process ", pid);
  UniqueFd fd = CRISP_TRY(OpenPidfd(pid));
  // Only after the pidfd: from then on the number cannot pass to another process unnoticed.
  Result<ProcessStat> found = ReadProcessStat(pid);
  // No descriptors or no memory left: that says nothing of the process.
  if (found.status().code() == Code::kResourceExhausted) return std::move(found).status();
  if (!found.ok() || found->start_time != start_time) return NotFound("process ", pid, " is gone");
  return fd;
}

Result<UniqueFd> OpenMonitor(const std::string& state_dir) {
  const conmon::PidFile file = CRISP_TRY(ReadPidFile(state_dir));
  return OpenProcess(file.monitor_pid, file.monitor_start_time);
}

void ContinueMonitor(int pidfd) { (void)::pidfd_send_signal(pidfd, SIGCONT, nullptr, 0); }

void RemoveMonitorFiles(const std::string& state_dir) {
  for (std::string_view name : {conmon::kSocketName, conmon::kPidFileName, conmon::kRuntimePidName,
                                conmon::kRuntimeLogName, conmon::kConsoleSocketName}) {
    ::unlink(PathOf(state_dir, name).c_str());
  }
}

}  // namespace crisp::oci
