// LimitMemory: how much memory a hostile image may cost the node.
//
// What:    what sizes of images decide (directories of a layer, names in a directory, values of a
//          JSON text) has limits of its own, but the product of them is larger than a node. So the
//          process has a limit, far above what good images need. Who needs more ends at once, with
//          the exit code that the daemon knows (kPullerOutOfMemory).
// Contract: RLIMIT_DATA of setrlimit(2), which counts private writable memory, stacks of threads
//          too; programs that this process runs (gpgv) inherit it. A lower limit that is there
//          stays. libcurl, OpenSSL and zstd report their own failures, as errors of the pull.
// Threads:  before there is a second one.
// Errors:   of getrlimit(2) and setrlimit(2).
#ifndef CRISP_IMAGE_PULL_MEMORY_LIMIT_H_
#define CRISP_IMAGE_PULL_MEMORY_LIMIT_H_

#include <cstdint>

#include "base/core/result.h"

namespace crisp::image {

// For a layer: 128 MiB of zstd window, 5 MiB of buffers, 24 MiB of stacks, 12 MiB of sums. For the
// rest: a config's 8 MiB are up to 300 MiB of values; an entry of a directory takes about 250
// bytes while the record is written. Pulls of good images were seen to need 19 to 62 MiB.
inline constexpr uint64_t kBytesPerLayer = uint64_t{256} << 20;
inline constexpr uint64_t kBytesBeside = uint64_t{1} << 30;

// `parallel_layers`: of the request. With sanitizers, whose shadow memory counts, only the exit
// code.
Status LimitMemory(int parallel_layers);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_MEMORY_LIMIT_H_
