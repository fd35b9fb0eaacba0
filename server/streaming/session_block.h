// Block: a large buffer for one read and the Send that follows.
//
// What:     all sessions of an io_context share a few, so that only streams with data in hand have
//           one, and none is allocated for each read. Small ones, for streams that have to save,
//           are not shared.
// Threads:  the io_context's.
#ifndef CRISP_SERVER_STREAMING_SESSION_BLOCK_H_
#define CRISP_SERVER_STREAMING_SESSION_BLOCK_H_

#include <cstddef>
#include <memory>

#include "server/streaming/reactor.h"

namespace crisp::streaming {

inline constexpr size_t kBlock_bytes = 256u << 10;
// Goes back with the last reference.
using Block = std::shared_ptr<char>;
// Of at least `bytes`, at most kBlock_bytes.
Block TakeBlock(Io* io, size_t bytes);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_SESSION_BLOCK_H_
