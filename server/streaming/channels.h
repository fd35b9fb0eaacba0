// Channels: one streaming session's data as a client sees it, whatever carries it.
//
// What:     the door between transports (SPDY streams, WebSocket messages, SPDY in WebSocket) and
//           sessions (exec, attach, one forwarded connection). A transport makes a Channels when
//           all that the request expects is there; a session then owns it.
// Contract: streaming.md sections 5.7, 6, 7 and 8.
// Threads:  everything here runs on the streaming server's thread.
// Memory:   Send does not copy: the data lives as long as `sent` does. Input is handed over as a
//           view; a session that cannot take more calls PauseInput() and the client's TCP window
//           does the rest.
// After a failure: OnClosed says why, once; later Sends end with kUnavailable.
#ifndef CRISP_SERVER_STREAMING_CHANNELS_H_
#define CRISP_SERVER_STREAMING_CHANNELS_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>

#include "base/core/result.h"

namespace crisp::streaming {

// The numbers are those of the WebSocket subprotocols (streaming.md section 8).
enum class Channel : uint8_t {
  kStdin = 0,   // from the client
  kStdout = 1,  // to the client
  kStderr = 2,  // to the client
  kError = 3,   // to the client
  kResize = 4,  // from the client
  kData = 5,    // both ways; a forwarded connection has kData and kError only
};

// What the error channel carries (streaming.md section 6.2).
enum class ErrorFormat {
  kText,    // nothing on success, else plain text: protocols before v4, and port-forward
  kStatus,  // one Status document in any case: v4 and v5
};

class Channels {
 public:
  class Observer {
   public:
    // How much was taken of `data`, which is valid during the call. Less than all of it only with
    // PauseInput: the rest comes after ResumeInput.
    virtual size_t OnData(Channel channel, std::string_view data) = 0;
    // The client sends no more on this channel (FIN, RST, CLOSE signal); once for each channel.
    virtual void OnInputEnd(Channel channel) = 0;
    // The connection (or, for a forwarded connection, the pair of streams) is gone; once, last.
    virtual void OnClosed(const Status& why) = 0;

   protected:
    ~Observer() = default;
  };

  // Cuts off what is still open. Allowed within every callback.
  virtual ~Channels() = default;

  // From now on the observer is called, never from within Start itself.
  virtual void Start(Observer* observer) = 0;
  // `sent` is called when the data has left for the socket, never from within Send. It owns `data`:
  // whoever still needs the data (a frame that is half written when this object goes away) keeps
  // the function, called or not; without the function the data is gone. A channel has one Send
  // under way at a time. A channel that the client did not ask for: the data is dropped, `sent`
  // says OK.
  virtual void Send(Channel channel, std::string_view data, std::function<void(Status)> sent) = 0;
  // No more data follows on this channel; ordered after its last Send.
  virtual void Finish(Channel channel) = 0;
  // How much one Send should carry at most for now: less on a connection on which many wait.
  virtual size_t SendLimit() const { return std::numeric_limits<size_t>::max(); }
  virtual void PauseInput() = 0;
  virtual void ResumeInput() = 0;
  virtual ErrorFormat error_format() const = 0;
  // A good end: everything sent before reaches the client (streaming.md section 5.7). The observer
  // is not called any more; destroying the object afterwards cuts nothing off.
  virtual void Close() = 0;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_CHANNELS_H_
