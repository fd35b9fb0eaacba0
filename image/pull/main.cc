// crisp-pull: the process that talks to registries and parses what they send.
//
// Started by the daemon with a socket on descriptor 3 (image/puller_protocol.h), in a cgroup of its
// own, without arguments. It gives up what pulling does not need (confinement.h) and can be killed
// at any time: the daemon removes its directory.
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/failpoint.h"
#include "image/pull/confinement.h"
#include "image/pull/daemon_link.h"
#include "image/pull/http_client.h"
#include "image/pull/puller.h"

namespace {

int Say(std::string_view text, int code) {
  (void)!::write(STDERR_FILENO, text.data(), text.size());
  return code;
}

// Layers that are unpacked at once hold hundreds of directories each, and the soft limit that a
// service has, and crispd's children with it, is often 1024.
void RaiseDescriptorLimit() {
  constexpr rlim_t kEnough = 1 << 16;  // for gpgv, too, which gets the same
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kEnough));
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char**) {
  struct stat info;
  if (argc > 1 || ::fstat(crisp::image::kPullerSocketFd, &info) != 0 || !S_ISSOCK(info.st_mode)) {
    return Say("crisp-pull is started by crispd, not by hand\n", 2);
  }
  if (const char* armed = ::getenv("CRISP_FAILPOINTS")) {  // as crispd's
    const crisp::Status status = crisp::failpoint::Arm(armed);
    if (!status.ok()) return Say(status.message() + "\n", 2);
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(0);  // modes are the archive's
  RaiseDescriptorLimit();
  // Each layer brings threads of its own: without this, freed buffers stay behind in an arena per
  // thread, and memory grows with the number of layers.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 128 << 10);
  crisp::image::DaemonLink daemon{crisp::UniqueFd(crisp::image::kPullerSocketFd)};
  const crisp::Status confined = crisp::image::Confine().Wrap("confine crisp-pull");
  crisp::image::HttpClient::GlobalInit();
  const crisp::Status status = crisp::image::RunPuller(daemon, confined);
  return status.ok() ? 0 : 1;
}
