// Slow streams: registries that send a whole blob slowly and parts of it at once, as if each
// connection were throttled.
//
// What:    hooks for a FakeRegistry (fake_registry.h). A stream is slow to its end, if it has not
//          been given up, or for `slow_bytes`.
#ifndef CRISP_TESTS_INTEGRATION_IMAGE_SLOW_STREAMS_H_
#define CRISP_TESTS_INTEGRATION_IMAGE_SLOW_STREAMS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "fake_registry.h"

namespace crisp::image {

// Large enough for pieces, with more than one chance for a busy machine to say so.
inline constexpr size_t kContentBytes = 48 << 20;
// Enough for a stream to be judged (image/pull/flow_meter.h).
inline constexpr size_t kJudgedBytes = 12 << 20;
// Does not compress.
std::string RandomBytes(size_t n, uint64_t seed);

// Asks for a part with an end, not for the rest of a stream.
bool IsPiece(const FakeRequest& request);
// 256 KiB in 30 ms.
FakeResponse Slow(const std::string& blob, const FakeRequest& request,
                  size_t slow_bytes = SIZE_MAX);
// Slow where the whole of one of `blobs` is asked for; pieces and the rest of a stream as `hook`
// says, or at once.
FakeRegistry::Hook SlowStreams(std::vector<std::string> blobs, FakeRegistry::Hook hook = nullptr,
                               size_t slow_bytes = SIZE_MAX);

}  // namespace crisp::image

#endif  // CRISP_TESTS_INTEGRATION_IMAGE_SLOW_STREAMS_H_
