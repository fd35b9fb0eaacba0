#include "tests/support/spdy_client.h"

#include <cstdlib>

#include "server/spdy/dictionary.h"

namespace crisp::test {

using spdy::AppendControlHeader;
using spdy::AppendDataHeader;
using spdy::AppendU32;
using spdy::FrameType;
using spdy::ReadU32;
using spdy::StreamId;

namespace {

void Check(bool good) {
  if (!good) std::abort();  // zlib without memory
}

Bytef* Bytes(std::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

}  // namespace

std::string SpdyHeaderBlock(const SpdyHeaders& headers) {
  std::string out;
  AppendU32(&out, static_cast<uint32_t>(headers.size()));
  for (const auto& [name, value] : headers) {
    AppendU32(&out, static_cast<uint32_t>(name.size()));
    out += name;
    AppendU32(&out, static_cast<uint32_t>(value.size()));
    out += value;
  }
  return out;
}

SpdyDeflater::SpdyDeflater() {
  Check(deflateInit2(&zlib_, 9, Z_DEFLATED, 15, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  Check(deflateSetDictionary(&zlib_, spdy::kDictionary.data(), spdy::kDictionary.size()) == Z_OK);
}

SpdyDeflater::~SpdyDeflater() { deflateEnd(&zlib_); }

std::string SpdyDeflater::Deflate(std::string_view plain, int flush) {
  std::string out;
  zlib_.next_in = Bytes(plain);
  zlib_.avail_in = static_cast<uInt>(plain.size());
  do {
    char step[4096];
    zlib_.next_out = reinterpret_cast<Bytef*>(step);
    zlib_.avail_out = sizeof step;
    deflate(&zlib_, flush);
    out.append(step, sizeof step - zlib_.avail_out);
  } while (zlib_.avail_out == 0);
  return out;
}

SpdyClient::~SpdyClient() {
  if (inflating_) inflateEnd(&inflate_);
}

StreamId SpdyClient::SynStream(const SpdyHeaders& headers, bool fin) {
  const StreamId id = next_id_;
  SynStreamAs(id, headers, fin ? spdy::kFlagFin : 0);
  return id;
}

void SpdyClient::SynStreamAs(StreamId id, const SpdyHeaders& headers, uint8_t flags) {
  SynStreamBlock(id, SpdyHeaderBlock(headers), flags);
}

void SpdyClient::SynStreamBlock(StreamId id, std::string_view block, uint8_t flags) {
  std::string payload;
  AppendU32(&payload, id);
  AppendU32(&payload, 0);
  payload += std::string_view("\0\0", 2);
  payload += deflater_.Deflate(block);
  Control(static_cast<uint16_t>(FrameType::kSynStream), flags, payload);
  streams_.try_emplace(id);
  if (id % 2 == 1 && id >= next_id_) next_id_ = id + 2;
}

void SpdyClient::Data(StreamId id, std::string_view data, bool fin) {
  AppendDataHeader(&output_, id, fin ? spdy::kFlagFin : 0, static_cast<uint32_t>(data.size()));
  output_ += data;
}

void SpdyClient::Reset(StreamId id, spdy::ResetStatus status) {
  std::string payload;
  AppendU32(&payload, id);
  AppendU32(&payload, static_cast<uint32_t>(status));
  Control(static_cast<uint16_t>(FrameType::kRstStream), 0, payload);
}

void SpdyClient::HeadersFrame(StreamId id, const SpdyHeaders& headers, bool fin) {
  std::string payload;
  AppendU32(&payload, id);
  payload += deflater_.Deflate(SpdyHeaderBlock(headers));
  Control(static_cast<uint16_t>(FrameType::kHeaders), fin ? spdy::kFlagFin : 0, payload);
}

void SpdyClient::Ping(uint32_t id) {
  std::string payload;
  AppendU32(&payload, id);
  Control(static_cast<uint16_t>(FrameType::kPing), 0, payload);
}

void SpdyClient::Settings(const std::vector<std::pair<uint32_t, uint32_t>>& id_and_value) {
  std::string payload;
  AppendU32(&payload, static_cast<uint32_t>(id_and_value.size()));
  for (const auto& [id, value] : id_and_value) {
    AppendU32(&payload, id);
    AppendU32(&payload, value);
  }
  Control(static_cast<uint16_t>(FrameType::kSettings), 0, payload);
}

void SpdyClient::WindowUpdate(StreamId id, uint32_t delta) {
  std::string payload;
  AppendU32(&payload, id);
  AppendU32(&payload, delta);
  Control(static_cast<uint16_t>(FrameType::kWindowUpdate), 0, payload);
}

void SpdyClient::GoAway(StreamId last_good_stream, uint32_t status) {
  std::string payload;
  AppendU32(&payload, last_good_stream);
  AppendU32(&payload, status);
  Control(static_cast<uint16_t>(FrameType::kGoaway), 0, payload);
}

void SpdyClient::Control(uint16_t type, uint8_t flags, std::string_view payload) {
  AppendControlHeader(&output_, static_cast<FrameType>(type), flags,
                      static_cast<uint32_t>(payload.size()));
  output_ += payload;
}

Status SpdyClient::Feed(std::string_view bytes) {
  const bool whole = input_.empty();
  if (!whole) input_ += bytes;
  std::string_view rest = whole ? bytes : std::string_view(input_);
  while (rest.size() >= spdy::kFrameHeaderBytes) {
    const size_t frame_bytes =
        spdy::kFrameHeaderBytes + (ReadU32(rest.data() + 4) & spdy::kMaxPayloadBytes);
    if (rest.size() < frame_bytes) break;
    const std::string_view frame = rest.substr(0, frame_bytes);
    rest.remove_prefix(frame_bytes);
    CRISP_RETURN_IF_ERROR((ReadU32(frame.data()) & 0x80000000u) != 0 ? OnControl(frame)
                                                                     : OnData(frame));
  }
  input_ = std::string(rest);
  return OkStatus();
}

Status SpdyClient::OnData(std::string_view frame) {
  const StreamId id = ReadU32(frame.data());
  const uint8_t flags = static_cast<uint8_t>(frame[4]);
  const std::string_view payload = frame.substr(spdy::kFrameHeaderBytes);
  log_.push_back(Cat("DATA ", id, " ", payload.size(), flags == spdy::kFlagFin ? " FIN" : ""));
  const auto it = streams_.find(id);
  if (it == streams_.end()) return InvalidArgument("DATA for unknown stream ", id);
  Stream& stream = it->second;
  if (flags > spdy::kFlagFin) return InvalidArgument("DATA with flags ", flags);
  // The Go clients drop such data silently.
  if (!stream.replied) return InvalidArgument("DATA for stream ", id, " before its SYN_REPLY");
  if (stream.finished) return InvalidArgument("DATA for stream ", id, " after its FIN");
  if (stream.reset) return InvalidArgument("DATA for stream ", id, " after its RST_STREAM");
  stream.data += payload;
  stream.received += payload.size();
  stream.finished = flags == spdy::kFlagFin;
  return OkStatus();
}

Status SpdyClient::OnControl(std::string_view frame) {
  const uint32_t first = ReadU32(frame.data());
  if (first >> 16 != 0x8003) return InvalidArgument("control frame of another version");
  const auto type = static_cast<FrameType>(first & 0xffff);
  const uint8_t flags = static_cast<uint8_t>(frame[4]);
  const std::string_view payload = frame.substr(spdy::kFrameHeaderBytes);
  if (type == FrameType::kSynReply) return OnReply(payload, flags);
  const size_t want = type == FrameType::kPing ? 4 : 8;
  if (payload.size() != want || flags != 0) {
    return InvalidArgument("control frame of type ", first & 0xffff, " with flags ", flags, " and ",
                           payload.size(), " bytes");
  }
  const uint32_t id = ReadU32(payload.data());
  if (type == FrameType::kPing) {
    log_.push_back(Cat("PING ", id));
    pings_.push_back(id);
    return OkStatus();
  }
  const uint32_t status = ReadU32(payload.data() + 4);
  if (type == FrameType::kGoaway) {
    log_.push_back(Cat("GOAWAY ", id, " ", status));
    goaway_ = Goaway{id, status};
    return OkStatus();
  }
  if (type != FrameType::kRstStream) {
    return InvalidArgument("control frame of type ", first & 0xffff);
  }
  log_.push_back(Cat("RST_STREAM ", id, " ", status));
  const auto it = streams_.find(id);
  if (it == streams_.end()) return InvalidArgument("RST_STREAM for unknown stream ", id);
  it->second.reset = status;
  return OkStatus();
}

Status SpdyClient::OnReply(std::string_view payload, uint8_t flags) {
  if (payload.size() < 4) return InvalidArgument("SYN_REPLY of ", payload.size(), " bytes");
  const StreamId id = ReadU32(payload.data());
  log_.push_back(Cat("SYN_REPLY ", id));
  SpdyHeaders headers = CRISP_TRY(Inflate(payload.substr(4)));
  const auto it = streams_.find(id);
  if (it == streams_.end()) return InvalidArgument("SYN_REPLY for unknown stream ", id);
  if (it->second.replied) return InvalidArgument("second SYN_REPLY for stream ", id);
  it->second.replied = true;
  it->second.finished = (flags & spdy::kFlagFin) != 0;
  it->second.reply_headers = std::move(headers);
  return OkStatus();
}

Result<SpdyHeaders> SpdyClient::Inflate(std::string_view block) {
  if (!inflating_) Check(inflateInit(&inflate_) == Z_OK);
  inflating_ = true;
  std::string plain(64 * 1024, '\0');
  inflate_.next_in = Bytes(block);
  inflate_.avail_in = static_cast<uInt>(block.size());
  inflate_.next_out = Bytes(plain);
  inflate_.avail_out = static_cast<uInt>(plain.size());
  int rc = inflate(&inflate_, Z_SYNC_FLUSH);
  if (rc == Z_NEED_DICT) {
    inflateSetDictionary(&inflate_, spdy::kDictionary.data(), spdy::kDictionary.size());
    rc = inflate(&inflate_, Z_SYNC_FLUSH);
  }
  if (rc != Z_OK || inflate_.avail_in != 0) return InvalidArgument("header block: zlib says ", rc);
  plain.resize(plain.size() - inflate_.avail_out);
  if (plain.size() < 4) return InvalidArgument("header block without a count");
  SpdyHeaders headers;
  size_t at = 4;
  for (uint32_t left = 2 * ReadU32(plain.data()); left > 0; --left) {
    if (plain.size() - at < 4) return InvalidArgument("header block is cut off");
    const size_t length = ReadU32(plain.data() + at);
    at += 4;
    if (plain.size() - at < length) return InvalidArgument("header block is cut off");
    std::string text = plain.substr(at, length);
    at += length;
    if (left % 2 == 0) {
      headers.emplace_back(std::move(text), "");
    } else {
      headers.back().second = std::move(text);
    }
  }
  if (at != plain.size()) return InvalidArgument("header block with bytes left over");
  return headers;
}

}  // namespace crisp::test
