#include "server/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/core/child_process.h"

namespace crisp {
namespace {
// Some hosts have a hard limit of a thousand millions; nothing here opens so many.
constexpr rlim_t kEnough = 1 << 20;
}  // namespace

Status RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return Errno("read the limit of descriptors");
  const rlim_t given = limit.rlim_cur;
  const rlim_t wanted = std::min(limit.rlim_max, kEnough);
  if (given >= wanted) return OkStatus();
  limit.rlim_cur = wanted;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return Errno("raise the limit of descriptors from ", given, " to ", wanted);
  }
  SetChildDescriptorLimit(given);
  return OkStatus();
}

}  // namespace crisp
