// crisp-pull: the process that talks to registries and parses what they send.
//
// Started by the daemon with a socket on descriptor 3 (image/puller_protocol.h), in a cgroup of its
// own, without arguments. It keeps only the capabilities that unpacking needs and can be killed at
// any time: the daemon removes its directory.
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image/pull/daemon_link.h"
#include "image/pull/http_client.h"
#include "image/pull/puller.h"

namespace {

// Owners and modes of any kind, devices, file capabilities; CAP_SYS_ADMIN for trusted.* attributes
// and for the overlay under which tied layers are unpacked.
constexpr int kKept[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                         CAP_FSETID, CAP_MKNOD,        CAP_SETFCAP,         CAP_SYS_ADMIN};

void DropPrivileges() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // credentials are in this memory
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return;
  uint64_t keep = 0;
  for (int capability : kKept) keep |= uint64_t{1} << capability;
  for (int i = 0; i < 2; ++i) {
    const auto mask = static_cast<uint32_t>(keep >> (32 * i));
    data[i].permitted &= mask;
    data[i].effective = data[i].permitted;
    data[i].inheritable = 0;
  }
  ::syscall(SYS_capset, &header, data);
}

}  // namespace

int main(int argc, char**) {
  struct stat info;
  if (argc > 1 || ::fstat(crisp::image::kPullerSocketFd, &info) != 0 || !S_ISSOCK(info.st_mode)) {
    static constexpr char kUsage[] = "crisp-pull is started by crispd, not by hand\n";
    (void)!::write(2, kUsage, sizeof(kUsage) - 1);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(0);  // modes are the archive's
  // Each layer brings threads of its own: without this, freed buffers stay behind in an arena per
  // thread, and memory grows with the number of layers.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 128 << 10);
  DropPrivileges();
  crisp::image::HttpClient::GlobalInit();
  crisp::image::DaemonLink daemon{crisp::UniqueFd(crisp::image::kPullerSocketFd)};
  const crisp::Status status = crisp::image::RunPuller(daemon);
  return status.ok() ? 0 : 1;
}
