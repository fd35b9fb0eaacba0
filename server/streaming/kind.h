// Kind: what a streaming URL is for.
//
// Contract: streaming.md section 2.
// Threads:  a plain value.
#ifndef CRISP_SERVER_STREAMING_KIND_H_
#define CRISP_SERVER_STREAMING_KIND_H_

#include <cstddef>
#include <string_view>

namespace crisp::streaming {

enum class Kind : size_t { kExec, kAttach, kPortForward };

// The word in the URL's path and in metrics.
constexpr std::string_view KindName(Kind kind) {
  constexpr std::string_view kNames[] = {"exec", "attach", "portforward"};
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_KIND_H_
