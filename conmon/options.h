// Options: the command line of crisp-monitor.
//
// Threads: values.
// Errors:  kInvalidArgument names the option, its value and what is allowed.
#ifndef CRISP_CONMON_OPTIONS_H_
#define CRISP_CONMON_OPTIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "conmon/protocol.h"

namespace crisp::conmon {

inline constexpr int64_t kMinLineLimit_bytes = 64;
inline constexpr int64_t kMaxLineLimit_bytes = 1 << 20;

struct Options {
  enum class Action { kRun, kHelp, kVersion, kResumeCheck };
  Action action = Action::kRun;
  std::string id;
  std::string bundle;
  std::string state_dir;
  std::string log_path;  // empty: no log
  // Empty: the parent of log_path. What is between the two is made and opened without following
  // symlinks.
  std::string log_directory;
  std::string oom_watch;  // empty: none
  int64_t log_line_limit_bytes = 16384;
  // Of the container's pipes: what the root of its user namespace is on the host. -1: nobody asked.
  int64_t stdio_uid = -1;
  int64_t stdio_gid = -1;
  bool terminal = false;
  bool stdin_open = false;
  bool stdin_once = false;
  int control_fd = kControlFd;
  int resume_fd = -1;          // state of the program that this one replaces
  int64_t resume_version = 0;  // for kResumeCheck
  std::vector<std::string> runtime_argv;
};

Result<Options> ParseOptions(const std::vector<std::string>& arguments);

inline constexpr std::string_view kHelpText =
    "usage: crisp-monitor --id ID --bundle DIR --state-dir DIR [OPTION...] -- RUNTIME [ARG...]\n"
    "Runs `RUNTIME [ARG...] create` for one container and owns its stdio, log and exit.\n"
    "Started by crispd, which holds the other end of the control socket.\n"
    "\n"
    "  --id ID               the container's id for the runtime\n"
    "  --bundle DIR          OCI bundle: the directory of config.json\n"
    "  --state-dir DIR       where monitor.sock, pid and exit are made\n"
    "  --log-path FILE       CRI log; without it output goes to attached clients only\n"
    "  --log-directory DIR   above FILE; below it symlinks are not followed\n"
    "  --log-line-limit N    longest content of a log record in bytes, 64 to 1048576 (16384)\n"
    "  --oom-watch PATH      memory.events (cgroup v2) or the memory cgroup's directory (v1)\n"
    "  --stdio-owner U:G     owner of the container's pipes, as numbers (root)\n"
    "  --terminal            the container has a terminal (config.json says so too)\n"
    "  --stdin               keep the container's stdin open for attached clients\n"
    "  --stdin-once          close stdin when the first attached client's input ends\n"
    "  --control-fd N        inherited SOCK_SEQPACKET socket to crispd (3)\n"
    "  --resume-fd N         take over from an older crisp-monitor in this process (upgrade)\n"
    "  --resume-check N      exit status 0 if state of version N could be taken over\n"
    "  --help, --version\n";

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_OPTIONS_H_
