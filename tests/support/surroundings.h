// Surroundings: a machine of its own for each test program.
//
// What:     the test's body runs as root in new mount, network, PID, IPC, UTS and cgroup
// namespaces:
//           - / is shared inside and private towards the host, /run is an empty tmpfs;
//           - the cgroup hierarchies show one empty subtree of the machine's as their root, and
//             /sys/fs/cgroup/unified is unmounted where the machine has hybrid cgroups (crun
//             refuses those);
//           - the network has lo and nothing else: "the host" of a port mapping is this namespace;
//           - process 1 reaps, and when the body ends everything that it started dies.
//           The subtree ("/crisp-test-<pid>") is removed at the end; that of a test program that
//           was killed is removed by the next one.
// Threads:  RunInSurroundings is called from main, before threads exist.
#ifndef CRISP_TESTS_SUPPORT_SURROUNDINGS_H_
#define CRISP_TESTS_SUPPORT_SURROUNDINGS_H_

#include <functional>
#include <string>

#include "base/core/result.h"

namespace crisp::test {

// The exit status for main. Without root the body runs as it is, and InSurroundings() is false.
int RunInSurroundings(const std::function<int()>& body);

bool InSurroundings();

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_SURROUNDINGS_H_
