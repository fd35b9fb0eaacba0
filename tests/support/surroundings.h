// Surroundings: a machine of its own for each test program.
//
// What:     the test's body runs as root in new mount, network, IPC and UTS namespaces, in which
//           / is shared inside and private towards the host, /run is an empty tmpfs, and the
//           network has lo and nothing else: "the host" of a port mapping is this namespace. When
//           the body ends everything that it started dies.
//
//           Processes and control groups come in two kinds:
//           - of its own (the usual kind): new PID and cgroup namespaces. Process 1 reaps; the
//             cgroup hierarchies show one empty subtree of the machine's as their root, and
//             /sys/fs/cgroup/unified is unmounted where the machine has hybrid cgroups (crun
//             refuses those). The subtree ("/crisp-test-<PID namespace>-<pid>") is removed at the
//             end; that of a test program that was killed is removed by the next one.
//           - the machine's (CRISP_TEST_CGROUP_DRIVER=systemd): systemd makes the containers'
//             groups, and it lives outside of all namespaces: it wants pids as it knows them, and
//             makes groups where it sees the root. So both are the machine's own, and /run shows
//             systemd's sockets. A supervisor adopts and at the end kills whatever came from the
//             body. This is for a machine that is thrown away (tests/v2): names such as
//             crisp.slice are taken without asking, and a supervisor that is killed leaves things.
// Threads:  RunInSurroundings is called from main, before threads exist.
#ifndef CRISP_TESTS_SUPPORT_SURROUNDINGS_H_
#define CRISP_TESTS_SUPPORT_SURROUNDINGS_H_

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/core/result.h"

namespace crisp::test {

// The exit status for main. Without root the body runs as it is, and InSurroundings() is false.
int RunInSurroundings(const std::function<int()>& body);

bool InSurroundings();

// Whether this run is about the systemd cgroup driver (CRISP_TEST_CGROUP_DRIVER=systemd; unset or
// "cgroupfs": the other one).
bool UsesSystemd();

// The process that every process of these surroundings descends from.
pid_t SurroundingsInit();

// Whether a tmpfs can be mounted with mapped ids: since Linux 6.3.
bool TmpfsHasIdmaps();

// A /run on the machine's disk instead of the tmpfs, for tests of what a tmpfs cannot do; systemd's
// sockets are still seen there. Enter and Leave are called while no daemon runs: TestDaemon's
// directories are below /run. A program that is killed in between leaves a directory in /var/tmp.
class RunOnDisk {
 public:
  Status Enter();
  Status Leave();  // without effect unless entered

 private:
  std::string disk_;
};

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_SURROUNDINGS_H_
