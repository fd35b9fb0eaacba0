// SpdyClient: the client's end of a SPDY/3.1 connection, without a socket, for tests.
//
// What:     the calls append frames to an output (TakeOutput) exactly as asked, also wrong ones;
//           Feed reads what the server sends and keeps it per stream. Written from the protocol,
//           beside server/spdy and not on top of it: only numbers and the dictionary are shared.
// Contract: SPDY Protocol Draft 3.1; header blocks as zlib writes them at level 9, memLevel 9.
// Threads:  one at a time.
// Errors:   Feed: kInvalidArgument: the server broke the protocol (data before SYN_REPLY, data
// after
//           FIN, a stream that the client did not make, a block that does not inflate...).
// After a failure of Feed what was read before stays readable.
#ifndef CRISP_TESTS_SUPPORT_SPDY_CLIENT_H_
#define CRISP_TESTS_SUPPORT_SPDY_CLIENT_H_

#include <zlib.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "server/spdy/protocol.h"

namespace crisp::test {

// In wire order, names and values as they are (several values: joined with NUL by the caller).
using SpdyHeaders = std::vector<std::pair<std::string, std::string>>;

// "u32 count, u32 length and name, u32 length and value..."
std::string SpdyHeaderBlock(const SpdyHeaders& headers);

// A client's deflate context.
class SpdyDeflater {
 public:
  SpdyDeflater();
  SpdyDeflater(const SpdyDeflater&) = delete;
  SpdyDeflater& operator=(const SpdyDeflater&) = delete;
  ~SpdyDeflater();
  // `flush`: Z_SYNC_FLUSH as the protocol wants it, or something else for a test of that.
  std::string Deflate(std::string_view plain, int flush = Z_SYNC_FLUSH);

 private:
  z_stream zlib_{};
};

class SpdyClient {
 public:
  struct Stream {
    bool replied = false;
    SpdyHeaders reply_headers;
    std::string data;       // what arrived and was not taken
    uint64_t received = 0;  // bytes of data in all
    bool finished = false;  // the server's FIN
    std::optional<uint32_t> reset;
  };
  struct Goaway {
    uint32_t last_good_stream = 0;
    uint32_t status = 0;
  };

  SpdyClient() = default;
  SpdyClient(const SpdyClient&) = delete;
  SpdyClient& operator=(const SpdyClient&) = delete;
  ~SpdyClient();

  // Opens the next stream (1, 3, 5...) and returns its id.
  spdy::StreamId SynStream(const SpdyHeaders& headers, bool fin = false);
  // A stream of any id and flags.
  void SynStreamAs(spdy::StreamId id, const SpdyHeaders& headers, uint8_t flags = 0);
  // A SYN_STREAM with `block` as its inflated header block.
  void SynStreamBlock(spdy::StreamId id, std::string_view block, uint8_t flags = 0);
  void Data(spdy::StreamId id, std::string_view data, bool fin = false);
  void Finish(spdy::StreamId id) { Data(id, {}, true); }
  void Reset(spdy::StreamId id, spdy::ResetStatus status = spdy::ResetStatus::kCancel);
  void HeadersFrame(spdy::StreamId id, const SpdyHeaders& headers, bool fin = false);
  void Ping(uint32_t id);
  void Settings(const std::vector<std::pair<uint32_t, uint32_t>>& id_and_value);
  void WindowUpdate(spdy::StreamId id, uint32_t delta);
  void GoAway(spdy::StreamId last_good_stream = 0, uint32_t status = 0);
  // Any control frame.
  void Control(uint16_t type, uint8_t flags, std::string_view payload);
  void Raw(std::string_view bytes) { output_ += bytes; }
  std::string TakeOutput() { return std::exchange(output_, std::string()); }
  SpdyDeflater* deflater() { return &deflater_; }

  // What the server sent, cut anywhere.
  Status Feed(std::string_view bytes);
  // Of the streams that were opened here.
  const Stream& stream(spdy::StreamId id) const { return streams_.at(id); }
  std::string TakeData(spdy::StreamId id) { return std::exchange(streams_.at(id).data, {}); }
  const std::vector<uint32_t>& pings() const { return pings_; }
  const std::optional<Goaway>& goaway() const { return goaway_; }
  // One line per frame, in order: "SYN_REPLY 1", "DATA 3 5 FIN", "RST_STREAM 5 3", "PING 1",
  // "GOAWAY 5 0".
  const std::vector<std::string>& log() const { return log_; }

 private:
  Status OnData(std::string_view frame);
  Status OnControl(std::string_view frame);
  Status OnReply(std::string_view payload, uint8_t flags);
  Result<SpdyHeaders> Inflate(std::string_view block);

  SpdyDeflater deflater_;
  spdy::StreamId next_id_ = 1;
  std::string output_;
  std::string input_;  // a frame that has not arrived whole
  z_stream inflate_{};
  bool inflating_ = false;
  std::map<spdy::StreamId, Stream> streams_;
  std::vector<uint32_t> pings_;
  std::optional<Goaway> goaway_;
  std::vector<std::string> log_;
};

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_SPDY_CLIENT_H_
