// What a monitor leaves in a container's state directory, and the processes that it names.
//
// Contract: conmon/protocol.h (names and formats).
// Threads:  free functions without state.
// Errors:   kNotFound: the file or the process is not there (a process whose start time differs is
//           another process: not there); kDataLoss: the content is not what the contract says.
#ifndef CRISP_OCI_MONITOR_FILES_H_
#define CRISP_OCI_MONITOR_FILES_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "conmon/protocol.h"

namespace crisp::oci {

Result<conmon::PidFile> ReadPidFile(const std::string& state_dir);
// Connects to state_dir/monitor.sock, without waiting; the path may be of any length. kUnavailable:
// a socket, but nobody listens, or (errno EAGAIN) who listens has no room for another connection.
Result<UniqueFd> ConnectToMonitor(const std::string& state_dir);
// A pidfd for exactly that process. A zombie is a process, too.
Result<UniqueFd> OpenProcess(pid_t pid, uint64_t start_time);
// The monitor that state_dir/pid names, also when it has just ended.
Result<UniqueFd> OpenMonitor(const std::string& state_dir);
// Continues a monitor that somebody stopped (SIGSTOP); for one that runs it is nothing.
void ContinueMonitor(int pidfd);
// Removes what a monitor may leave when it is killed; the exit record stays.
void RemoveMonitorFiles(const std::string& state_dir);

}  // namespace crisp::oci

#endif  // CRISP_OCI_MONITOR_FILES_H_
