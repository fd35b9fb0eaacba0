// Wire: a connected, non-blocking socket with or without TLS on it.
//
// Threads:  one at a time.
// Errors:   kFailed with the Status; the wire is useless then.
#ifndef CRISP_SERVER_STREAMING_WIRE_H_
#define CRISP_SERVER_STREAMING_WIRE_H_

#include <sys/uio.h>

#include <cstddef>
#include <memory>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp::streaming {

struct WireResult {
  enum class State { kDone, kAwaitRead, kAwaitWrite, kEnd, kFailed };
  State state = State::kDone;
  size_t bytes = 0;  // kDone of Read and Write: more than 0
  Status error;      // kFailed

  bool done() const { return state == State::kDone; }
};

class Wire {
 public:
  virtual ~Wire() = default;
  virtual int fd() const = 0;
  // Before anything else, until it is done.
  virtual WireResult Handshake() = 0;
  virtual WireResult Read(char* data, size_t size) = 0;
  // Takes what it can; what was taken is committed.
  virtual WireResult Write(const iovec* parts, int count) = 0;
  // Done when nothing that was taken is left here.
  virtual WireResult Flush() = 0;
  // Tells the peer that nothing more comes. After Flush.
  virtual WireResult CloseWrite() = 0;
};

std::unique_ptr<Wire> MakePlainWire(UniqueFd socket);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_WIRE_H_
