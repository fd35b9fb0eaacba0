#include "server/spdy/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "server/spdy/header_inflater.h"

namespace crisp::spdy {
namespace {

// An empty header block, compressed. The server sends no other, so it needs no deflate context
// (256 KiB a connection): the first is the zlib header, DICTID and a block with four literal zeros;
// each later one is a match of length 4 at distance 1 (the window ends with a zero in any case).
// Both are what zlib itself writes.
constexpr std::string_view kFirstEmptyBlock{
    "\x78\xf9\xe3\xc6\xa7\xc2\x02\xa6\x23\x06\x00\x00\x00\x00\xff\xff", 16};
constexpr std::string_view kLaterEmptyBlock{"\x02\x01\x00\x00\x00\x00\xff\xff", 8};

constexpr size_t kSynStreamFixedBytes = 10;
constexpr size_t kSynReplyFixedBytes = 4;

std::string_view FrameName(FrameType type) {
  switch (type) {
    case FrameType::kSynStream:
      return "SYN_STREAM";
    case FrameType::kSynReply:
      return "SYN_REPLY";
    case FrameType::kRstStream:
      return "RST_STREAM";
    case FrameType::kSettings:
      return "SETTINGS";
    case FrameType::kPing:
      return "PING";
    case FrameType::kGoaway:
      return "GOAWAY";
    case FrameType::kHeaders:
      return "HEADERS";
    case FrameType::kWindowUpdate:
      return "WINDOW_UPDATE";
  }
  return "";
}

// What a control frame of a type may look like (sections 2.6.1 to 2.6.8).
struct Shape {
  uint32_t min_bytes;
  uint32_t max_bytes;
  uint8_t flags;
};

std::optional<Shape> FindShape(FrameType type) {
  switch (type) {
    case FrameType::kSynStream:
      return Shape{kSynStreamFixedBytes, kMaxPayloadBytes, kFlagFin | kFlagUnidirectional};
    case FrameType::kSynReply:
    case FrameType::kHeaders:
      return Shape{kSynReplyFixedBytes, kMaxPayloadBytes, kFlagFin};
    case FrameType::kSettings:
      return Shape{4, kMaxPayloadBytes, kFlagClearSettings};
    case FrameType::kPing:
      return Shape{4, 4, 0};
    case FrameType::kRstStream:
    case FrameType::kGoaway:
    case FrameType::kWindowUpdate:
      return Shape{8, 8, 0};
  }
  return std::nullopt;
}

}  // namespace

Connection::Connection(Events* events, const Options& options)
    : events_(events),
      options_(options),
      inflater_(std::make_unique<HeaderInflater>(options.max_header_bytes)) {}

Connection::~Connection() = default;

Status Connection::Feed(std::string_view bytes) {
  while (!bytes.empty() && failure_.ok()) {
    failure_ = FeedPart(&bytes);
    if (failure_.ok() && output_.size() > options_.max_output_bytes) {
      failure_ = ResourceExhausted("spdy: over ", options_.max_output_bytes,
                                   " bytes of answers that the client does not read");
    }
  }
  return failure_;
}

// Takes a frame header, a payload or a piece of either.
Status Connection::FeedPart(std::string_view* bytes) {
  if (expect_ == Expect::kHeader) {
    if (header_bytes_ == 0 && bytes->size() >= kFrameHeaderBytes) {
      const char* header = bytes->data();
      bytes->remove_prefix(kFrameHeaderBytes);
      return OnFrameHeader(header);
    }
    const size_t part = std::min(bytes->size(), kFrameHeaderBytes - header_bytes_);
    std::memcpy(header_.data() + header_bytes_, bytes->data(), part);
    bytes->remove_prefix(part);
    header_bytes_ += part;
    if (header_bytes_ < kFrameHeaderBytes) return OkStatus();
    header_bytes_ = 0;
    return OnFrameHeader(header_.data());
  }
  const std::string_view piece = bytes->substr(0, remaining_);
  bytes->remove_prefix(piece.size());
  remaining_ -= static_cast<uint32_t>(piece.size());
  if (remaining_ == 0 && control_.empty()) {  // the usual case: nothing is copied
    const Expect was = std::exchange(expect_, Expect::kHeader);
    if (was == Expect::kControl) return OnControl(piece);
    PassData(piece);
    return OkStatus();
  }
  if (expect_ == Expect::kData) {
    PassData(piece);
    return OkStatus();
  }
  control_ += piece;
  if (remaining_ > 0) return OkStatus();
  expect_ = Expect::kHeader;
  const std::string payload = std::exchange(control_, std::string());
  return OnControl(payload);
}

Status Connection::OnFrameHeader(const char* header) {
  const uint32_t first = ReadU32(header);
  const uint32_t second = ReadU32(header + 4);
  flags_ = static_cast<uint8_t>(second >> 24);
  length_ = second & kMaxPayloadBytes;
  remaining_ = length_;
  if ((first & 0x80000000u) == 0) {
    data_id_ = first;
    if (data_id_ == 0) return InvalidArgument("spdy: DATA for stream 0");
    if ((flags_ & ~kFlagFin) != 0) return InvalidArgument("spdy: DATA with flags ", flags_);
    if (length_ > options_.max_data_bytes) {
      return ResourceExhausted("spdy: DATA of ", length_, " bytes, at most ",
                               options_.max_data_bytes, " are taken");
    }
    expect_ = Expect::kData;
    if (length_ == 0) {
      expect_ = Expect::kHeader;
      PassData({});
    }
    return OkStatus();
  }
  const uint32_t version = first >> 16 & 0x7fff;
  if (version != kVersion) return InvalidArgument("spdy: version ", version, " instead of 3");
  type_ = static_cast<FrameType>(first & 0xffff);
  const std::optional<Shape> shape = FindShape(type_);
  if (!shape) return InvalidArgument("spdy: control frame of unknown type ", first & 0xffff);
  if ((flags_ & ~shape->flags) != 0) {
    return InvalidArgument("spdy: ", FrameName(type_), " with flags ", flags_);
  }
  if (length_ < shape->min_bytes || length_ > shape->max_bytes) {
    return InvalidArgument("spdy: ", FrameName(type_), " of ", length_, " bytes");
  }
  if (length_ > options_.max_control_bytes) {
    return ResourceExhausted("spdy: ", FrameName(type_), " of ", length_, " bytes, at most ",
                             options_.max_control_bytes, " are taken");
  }
  expect_ = Expect::kControl;  // no control frame is empty
  return OkStatus();
}

Status Connection::OnControl(std::string_view payload) {
  switch (type_) {
    case FrameType::kSynStream:
      return OnSynStream(payload);
    case FrameType::kSynReply:  // nothing that we made could be answered; the headers count
    case FrameType::kHeaders:
      return OnHeadersFrame(payload);
    case FrameType::kRstStream:
      return OnRstStream(payload);
    case FrameType::kSettings:
      return OnSettings(payload);
    case FrameType::kPing:
      OnPing(payload);
      return OkStatus();
    case FrameType::kGoaway:
      events_->OnGoaway();
      return OkStatus();
    case FrameType::kWindowUpdate:
      return OkStatus();
  }
  return Internal("spdy: control frame of type ", static_cast<uint16_t>(type_));
}

Status Connection::OnSynStream(std::string_view payload) {
  const StreamId id = ReadU32(payload.data()) & kMaxStreamId;
  Result<std::string_view> block = inflater_->Inflate(payload.substr(kSynStreamFixedBytes));
  if (!block.ok()) return std::move(block).status().Wrap("spdy: SYN_STREAM ", id);
  Result<Headers> headers = ParseHeaders(*block, options_.max_headers);
  if (!headers.ok()) return std::move(headers).status().Wrap("spdy: SYN_STREAM ", id);
  if (id == 0) return InvalidArgument("spdy: SYN_STREAM for stream 0");
  if (goaway_sent_) return OkStatus();
  if (id % 2 == 0 || id <= last_seen_) {  // section 2.3.2
    AppendReset(id, ResetStatus::kProtocolError);
    // The client takes that reset for the stream that had the id first.
    if (streams_.erase(id) != 0) events_->OnReset(id, ResetStatus::kProtocolError);
    return OkStatus();
  }
  last_seen_ = id;
  // A stream that we may not send on has no use in what Kubernetes speaks.
  if (streams_.size() >= options_.max_streams || (flags_ & kFlagUnidirectional) != 0) {
    AppendReset(id, ResetStatus::kRefusedStream);
    return OkStatus();
  }
  last_good_ = id;
  const bool fin = (flags_ & kFlagFin) != 0;
  streams_.emplace(id, StreamState{.remote_closed = fin});
  events_->OnStream(id, *headers, fin);
  return OkStatus();
}

// Read for the state of the inflater only. Our clients end streams with DATA and RST_STREAM.
Status Connection::OnHeadersFrame(std::string_view payload) {
  const StreamId id = ReadU32(payload.data()) & kMaxStreamId;
  const FrameType type = type_;
  const auto fail = [&](Status why) {
    return std::move(why).Wrap("spdy: ", FrameName(type), " for stream ", id);
  };
  Result<std::string_view> block = inflater_->Inflate(payload.substr(kSynReplyFixedBytes));
  if (!block.ok()) return fail(std::move(block).status());
  if (Result<Headers> headers = ParseHeaders(*block, options_.max_headers); !headers.ok()) {
    return fail(std::move(headers).status());
  }
  if (id == 0) return InvalidArgument("spdy: ", FrameName(type), " for stream 0");
  if (type == FrameType::kHeaders && (flags_ & kFlagFin) != 0) CloseRemote(id);
  return OkStatus();
}

Status Connection::OnRstStream(std::string_view payload) {
  const StreamId id = ReadU32(payload.data()) & kMaxStreamId;
  const uint32_t status = ReadU32(payload.data() + 4);
  if (id == 0) return InvalidArgument("spdy: RST_STREAM for stream 0");
  if (status == 0) return InvalidArgument("spdy: RST_STREAM ", id, " with status 0");
  if (streams_.erase(id) != 0) events_->OnReset(id, static_cast<ResetStatus>(status));
  return OkStatus();
}

Status Connection::OnSettings(std::string_view payload) {
  const uint64_t count = ReadU32(payload.data());
  if (payload.size() != 4 + 8 * count) {
    return InvalidArgument("spdy: SETTINGS of ", payload.size(), " bytes with ", count, " entries");
  }
  return OkStatus();
}

// Section 2.6.5: even ids are ours, and we send none.
void Connection::OnPing(std::string_view payload) {
  if (ReadU32(payload.data()) % 2 == 0) return;
  AppendControlHeader(&output_, FrameType::kPing, 0, 4);
  output_ += payload;
}

void Connection::PassData(std::string_view piece) {
  const bool fin = remaining_ == 0 && (flags_ & kFlagFin) != 0;
  if (piece.empty() && !fin) return;
  const auto it = streams_.find(data_id_);
  if (it == streams_.end() || it->second.remote_closed) return;
  if (fin) {
    it->second.remote_closed = true;
    if (it->second.local_closed) streams_.erase(it);
  }
  events_->OnData(data_id_, piece, fin);
}

void Connection::CloseRemote(StreamId id) {
  data_id_ = id;
  PassData({});
}

Status Connection::Reply(StreamId id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return NotFound("spdy: no stream ", id);
  if (it->second.replied) return FailedPrecondition("spdy: stream ", id, " has its reply");
  it->second.replied = true;
  const std::string_view block = first_reply_ ? kFirstEmptyBlock : kLaterEmptyBlock;
  first_reply_ = false;
  AppendControlHeader(&output_, FrameType::kSynReply, 0,
                      static_cast<uint32_t>(kSynReplyFixedBytes + block.size()));
  AppendU32(&output_, id);
  output_ += block;
  return OkStatus();
}

void Connection::Reset(StreamId id, ResetStatus status) {
  if (streams_.erase(id) != 0) AppendReset(id, status);
}

void Connection::AppendReset(StreamId id, ResetStatus status) {
  AppendControlHeader(&output_, FrameType::kRstStream, 0, 8);
  AppendU32(&output_, id);
  AppendU32(&output_, static_cast<uint32_t>(status));
}

Status Connection::AddData(StreamId id, size_t size, bool fin) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return NotFound("spdy: no stream ", id);
  StreamState& stream = it->second;
  if (!stream.replied) return FailedPrecondition("spdy: stream ", id, " has no reply yet");
  if (stream.local_closed) return FailedPrecondition("spdy: stream ", id, " is closed on our side");
  if (size > kMaxPayloadBytes) {
    return InvalidArgument("spdy: ", size, " bytes in one frame, at most ", kMaxPayloadBytes);
  }
  AppendDataHeader(&output_, id, fin ? kFlagFin : 0, static_cast<uint32_t>(size));
  if (fin) {
    stream.local_closed = true;
    if (stream.remote_closed) streams_.erase(it);
  }
  return OkStatus();
}

Result<std::string> Connection::StartData(StreamId id, size_t size, bool fin) {
  CRISP_RETURN_IF_ERROR(AddData(id, size, fin));
  return TakeOutput();
}

Status Connection::Finish(StreamId id) {
  const std::optional<StreamState> stream = FindStream(id);
  if (!stream || stream->local_closed) return OkStatus();
  return AddData(id, 0, true);
}

void Connection::Goaway(GoawayStatus status) {
  if (goaway_sent_) return;
  goaway_sent_ = true;
  AppendControlHeader(&output_, FrameType::kGoaway, 0, 8);
  AppendU32(&output_, last_good_);
  AppendU32(&output_, static_cast<uint32_t>(status));
}

std::string Connection::TakeOutput() { return std::exchange(output_, std::string()); }

std::optional<StreamState> Connection::FindStream(StreamId id) const {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return std::nullopt;
  return it->second;
}

}  // namespace crisp::spdy
