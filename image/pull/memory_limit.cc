#include "image/pull/memory_limit.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "image/puller_protocol.h"

namespace crisp::image {
namespace {

// No report: its making would need memory, and its lock may be this thread's.
[[noreturn]] void OnNoMemory() { ::_exit(kPullerOutOfMemory); }

}  // namespace

Status LimitMemory(int parallel_layers) {
  std::set_new_handler(OnNoMemory);
#ifndef CRISP_NO_FILTER
  const auto layers = static_cast<uint64_t>(std::max(1, parallel_layers));
  const rlim_t most = kBytesBeside + layers * kBytesPerLayer;
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0) return Errno("read the limit of memory");
  limit.rlim_max = std::min(limit.rlim_max, most);
  limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
  if (::setrlimit(RLIMIT_DATA, &limit) != 0) return Errno("limit memory");
#else
  (void)parallel_layers;
#endif
  return OkStatus();
}

}  // namespace crisp::image
