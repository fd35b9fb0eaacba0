// TestDaemon: one crispd with directories, configuration and network of its own.
//
// What:     everything lies below a directory in /run (which RunInSurroundings made private):
//           lib/ (root), run/ (state, socket), cni/ (configuration and address files), logs/,
//           crispd.log. Start, graceful stop, kill -9 and restart with other failpoints.
// Threads:  one; client() may be used by any.
// After a failed Start the daemon is dead; its log is in the Status.
#ifndef CRISP_TESTS_SUPPORT_TEST_DAEMON_H_
#define CRISP_TESTS_SUPPORT_TEST_DAEMON_H_

#include <memory>
#include <string>
#include <vector>

#include "base/core/child_process.h"
#include "base/core/result.h"
#include "tests/support/cri_client.h"

namespace crisp::test {

struct TestDaemonOptions {
  std::string runtime = "crun";  // the default handler; the other one is configured as well
  std::string directory = "/run/t";
  std::string subnet = "10.88.77.0/24";  // of the bridge
  bool with_cni = true;
  std::string more_config;  // YAML, behind the rest
};

class TestDaemon {
 public:
  explicit TestDaemon(TestDaemonOptions options);
  ~TestDaemon();

  // Writes the files; without effect on a running daemon.
  Status Prepare();
  // Starts crispd and waits until it answers Version. `failpoints`: CRISP_FAILPOINTS' value.
  Status Start(const std::string& failpoints = "");
  Status StopGracefully();
  void Kill();
  // For a daemon that a failpoint is expected to kill. `limit`: on a machine of usual speed.
  Status WaitUntilDead(Duration limit);
  bool running();
  pid_t pid() const { return process_.pid(); }

  // Of the current daemon: after a restart there is another one.
  CriClient& client() { return *client_; }
  const TestDaemonOptions& options() const { return options_; }

  std::string Path(const std::string& rest) const;
  std::string root() const { return Path("lib"); }
  std::string state() const { return Path("run"); }
  std::string socket() const { return Path("run/crisp.sock"); }
  std::string config_file() const { return Path("crisp.yaml"); }
  std::string cni_config_dir() const { return Path("cni/net.d"); }
  std::string address_dir() const { return Path("cni/addresses"); }
  std::string log_dir() const { return Path("logs"); }
  std::string default_cgroup_parent() const;
  // Where the processes and limits of a container are whose pod names no cgroup parent, from the
  // hierarchies' roots: crun makes a group below the scope.
  std::string CgroupOf(const std::string& id) const;
  // The daemon's log, for a failing test's output.
  std::string Log() const;

  // Runs `crisp` (the command-line tool) against this daemon: the words of a command, then what
  // follows its flags.
  Result<RunOutput> Crisp(const std::vector<std::string>& command,
                          const std::vector<std::string>& arguments = {}) const;

 private:
  Status WriteConfig() const;
  Status WriteCniConfig() const;
  Status WaitUntilReady();
  void RenewClient();

  TestDaemonOptions options_;
  ChildProcess process_;
  std::unique_ptr<CriClient> client_;
  std::vector<std::unique_ptr<CriClient>> retired_clients_;  // threads may still be in a call
};

// Absolute path of a program of the build ("crispd", "crisp", "crisp-monitor", ...).
std::string ProgramPath(const std::string& name);
// Whether an OCI runtime ("runc", "crun") is on this machine; empty when not.
std::string FindProgram(const std::string& name);

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_TEST_DAEMON_H_
