// Link: a connection as a stream of bytes, whatever carries it (TCP, TLS, messages of a WebSocket).
//
// Threads:  the io_context's.
// Memory:   Write does not copy the body. What waits to be written is bounded by its users: each
//           channel has one Send under way, of PieceLimit where there are many.
// After a failure: the `sent` callbacks of what was not written, then OnEnd, once; later Writes end
//           with kUnavailable.
#ifndef CRISP_SERVER_STREAMING_LINK_H_
#define CRISP_SERVER_STREAMING_LINK_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::streaming {

struct Piece {
  std::string head;       // goes first
  std::string_view body;  // valid until `sent`, or Release
  // Never called from within Write. May be empty.
  std::function<void(Status)> sent;
  uint32_t owner = 0;  // for Release; 0: nobody's
};

class Link {
 public:
  class Observer {
   public:
    // The bytes are the receiver's to change, during the call.
    virtual void OnBytes(std::span<char> bytes) = 0;
    // Nothing waits to be written any more.
    virtual void OnDrained() = 0;
    // The connection is over; last. Never from within a function of the link.
    virtual void OnEnd(const Status& why) = 0;

   protected:
    ~Observer() = default;
  };

  virtual ~Link() = default;

  // Who is told from now on; allowed within OnBytes.
  virtual void SetObserver(Observer* observer) = 0;
  virtual void Write(Piece piece) = 0;
  // True when nothing waits to be written.
  virtual bool idle() const = 0;
  // What waits, with what was copied by Release.
  virtual size_t queued_bytes() const = 0;
  // How much one more piece should carry, for users that do not know how many they are: their share
  // of a mebibyte, but 4 KiB in any case.
  virtual size_t PieceLimit() const = 0;
  // Bytes that OnBytes is being called with are not affected.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
  // What belongs to `owner` and was not written is copied, and its `sent` will not be called.
  virtual void Release(uint32_t owner) = 0;
  // What was written reaches the peer (streaming.md section 5.7), the rest happens by itself. The
  // observer is not called any more, nor is any `sent`; bodies are copied.
  virtual void Close() = 0;
  // At once. The observer is not called any more, nor is any `sent`.
  virtual void Abort() = 0;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_LINK_H_
