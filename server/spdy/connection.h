// Connection: the server's end of one SPDY/3.1 connection, without a socket.
//
// What:     bytes that arrived go into Feed, which calls Events; frames to send come out of
//           TakeOutput and StartData. Payload is never copied, in either direction.
// Contract: SPDY Protocol Draft 3.1 (sections 2.2, 2.3, 2.6) as the Kubernetes clients speak it:
//           no flow control (they know no windows: WINDOW_UPDATE and SETTINGS are read and
//           ignored, back-pressure is TCP's), no server-made streams, empty SYN_REPLY headers.
// Threads:  none; one thread at a time. Everything but Feed may be called from within an event. The
//           object must outlive the Feed that is running.
// Memory:   about 45 KiB per connection (the inflate window) and an entry per open stream. A DATA
//           frame of any length is handed on piece by piece as it arrives.
// Errors:   Feed: kInvalidArgument: the client broke the protocol; kResourceExhausted: a limit of
//           Options. What concerns one stream only is answered with RST_STREAM instead.
// After a failure of Feed the connection is over: later Feeds return the same Status, no event
//           follows. The owner may still take output (and Goaway), then closes.
//
// One stream (id), its two directions closing independently:
//
//   SYN_STREAM -> (OnStream) pending --Reply--> open --Finish / StartData(fin)--> local closed
//                              |                 |--DATA or SYN_STREAM with FIN--> remote closed
//                              |                 both closed: forgotten
//                              +--Reset / RST_STREAM, from any state: forgotten
//
// Frames for a forgotten stream are dropped, and so is DATA after the client's own FIN.
#ifndef CRISP_SERVER_SPDY_CONNECTION_H_
#define CRISP_SERVER_SPDY_CONNECTION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/core/result.h"
#include "server/spdy/headers.h"
#include "server/spdy/protocol.h"

namespace crisp::spdy {

class HeaderInflater;

struct Options {
  // Streams open at the same time; one more is answered with REFUSED_STREAM.
  size_t max_streams = 1024;
  // The rest end the connection.
  uint32_t max_control_bytes = 32 * 1024;      // payload of a control frame (compressed headers)
  size_t max_header_bytes = 64 * 1024;         // one header block, inflated
  size_t max_headers = 100;                    // headers in one block
  uint32_t max_data_bytes = kMaxPayloadBytes;  // payload of a DATA frame
  // Output not taken yet. Bounds what a client causes that sends PINGs and reads nothing, provided
  // that the owner does not take output while its socket is not writable.
  size_t max_output_bytes = 1024 * 1024;
};

struct StreamState {
  bool replied = false;        // SYN_REPLY is in the output: data may be sent
  bool local_closed = false;   // our FIN was given out
  bool remote_closed = false;  // the client's FIN arrived
};

class Connection {
 public:
  class Events {
   public:
    // A new stream. Answer with Reply or Reset, now or later (the clients wait 30 s). `fin`: the
    // client will send no data.
    virtual void OnStream(StreamId id, const Headers& headers, bool fin) = 0;
    // `data` points into what Feed was given. `fin` comes once per stream, with the last piece,
    // which may be empty; without `fin` data is never empty. Also called before the owner's Reply.
    virtual void OnData(StreamId id, std::string_view data, bool fin) = 0;
    // The stream is over in both directions, and already forgotten here.
    virtual void OnReset(StreamId id, ResetStatus status) = 0;
    // The client is done. What it sent before has been reported.
    virtual void OnGoaway() = 0;

   protected:
    ~Events() = default;
  };

  // `events` must outlive the connection.
  explicit Connection(Events* events, const Options& options = Options());
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Parses whatever arrived, cut anywhere. Must not be called from within an event.
  Status Feed(std::string_view bytes);

  // SYN_REPLY without headers. kNotFound: no such stream (any more); kFailedPrecondition: already
  // replied.
  Status Reply(StreamId id);
  // RST_STREAM; nothing happens when the stream is gone. No OnReset follows.
  void Reset(StreamId id, ResetStatus status);
  // Begins a DATA frame: returns everything that TakeOutput would and, behind it, the frame's
  // 8-byte header. The owner must send that and then exactly `size` bytes of payload before
  // anything that it takes later. `fin` closes our direction.
  // kNotFound: no such stream; kFailedPrecondition: not replied or our direction is closed;
  // kInvalidArgument: `size` over kMaxPayloadBytes. After an error nothing was taken.
  Result<std::string> StartData(StreamId id, size_t size, bool fin = false);
  // An empty DATA frame with FIN; nothing happens when our direction is closed or the stream gone.
  // kFailedPrecondition: not replied.
  Status Finish(StreamId id);
  // Says which streams were taken in. Streams that the client makes later are dropped. Once; later
  // calls do nothing.
  void Goaway(GoawayStatus status);

  // Control frames to send, in order. Empty: nothing to send.
  std::string TakeOutput();
  size_t output_bytes() const { return output_.size(); }

  std::optional<StreamState> FindStream(StreamId id) const;
  size_t stream_count() const { return streams_.size(); }
  // The highest id that was handed to OnStream; 0: none.
  StreamId last_good_stream() const { return last_good_; }

 private:
  // Where the next byte belongs. A frame begins at kHeader:
  //
  //   kHeader --control--> kControl --payload whole, handled--> kHeader
  //      |-----data------> kData ----payload passed on-------> kHeader
  enum class Expect { kHeader, kControl, kData };

  Status FeedPart(std::string_view* bytes);
  Status OnFrameHeader(const char* header);
  Status OnControl(std::string_view payload);
  Status OnSynStream(std::string_view payload);
  Status OnHeadersFrame(std::string_view payload);
  Status OnRstStream(std::string_view payload);
  Status OnSettings(std::string_view payload);
  void OnPing(std::string_view payload);
  void PassData(std::string_view piece);
  void CloseRemote(StreamId id);
  Status AddData(StreamId id, size_t size, bool fin);
  void AppendReset(StreamId id, ResetStatus status);

  Events* const events_;
  const Options options_;
  std::unique_ptr<HeaderInflater> inflater_;
  std::unordered_map<StreamId, StreamState> streams_;
  StreamId last_seen_ = 0;
  StreamId last_good_ = 0;
  bool first_reply_ = true;
  bool goaway_sent_ = false;
  Status failure_;
  std::string output_;

  Expect expect_ = Expect::kHeader;
  std::array<char, kFrameHeaderBytes> header_;
  size_t header_bytes_ = 0;
  // The frame under way.
  FrameType type_ = FrameType::kSynStream;
  StreamId data_id_ = 0;
  uint8_t flags_ = 0;
  uint32_t length_ = 0;     // its payload
  uint32_t remaining_ = 0;  // of the payload
  std::string control_;     // payload that came in pieces
};

}  // namespace crisp::spdy

#endif  // CRISP_SERVER_SPDY_CONNECTION_H_
