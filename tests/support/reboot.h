// Reboot: what the restart of a node leaves for the next daemon.
//
// What:     processes and mounts are gone, the state directory is empty, control groups are gone,
//           and the boot id is another one. NAT rules of pods are gone, links and addresses stay.
// Threads:  one.
// The boot id is the machine's again when the object goes away.
#ifndef CRISP_TESTS_SUPPORT_REBOOT_H_
#define CRISP_TESTS_SUPPORT_REBOOT_H_

#include <sys/types.h>

#include <memory>
#include <vector>

#include "base/core/mount.h"
#include "tests/support/test_daemon.h"

namespace crisp::test {

class Reboot {
 public:
  // To be called when the daemon has ended. `running`: the process 1 of each container and of each
  // shared PID namespace.
  static Result<std::unique_ptr<Reboot>> Of(const TestDaemon& daemon,
                                            const std::vector<pid_t>& running);

 private:
  Reboot() = default;
  ScopedMount boot_id_;
};

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_REBOOT_H_
