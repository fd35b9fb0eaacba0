#include "server/streaming/websocket_decoder.h"

#include <algorithm>
#include <cstring>

namespace crisp::streaming {
namespace {

constexpr uint8_t kFin = 0x80;
constexpr uint8_t kReserved = 0x70;
constexpr uint8_t kMasked = 0x80;
constexpr size_t kMaxControl_bytes = 125;
constexpr uint16_t kCloseNoCode = 1005;

// Section 5.3. Eight bytes at a time once that is aligned with the mask.
void Unmask(std::span<char> data, const std::array<char, 4>& mask, size_t* at) {
  std::array<char, 8> wide;
  for (size_t i = 0; i < wide.size(); ++i) wide[i] = mask[(*at + i) % 4];
  uint64_t mask64 = 0;
  std::memcpy(&mask64, wide.data(), sizeof(mask64));
  size_t i = 0;
  for (; i + 8 <= data.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data.data() + i, 8);
    word ^= mask64;
    std::memcpy(data.data() + i, &word, 8);
  }
  for (; i < data.size(); ++i) data[i] = static_cast<char>(data[i] ^ wide[i % 8]);
  *at = (*at + data.size()) % 4;
}

}  // namespace

Status WebSocketDecoder::Feed(std::span<char> bytes) {
  while (failure_.ok() && !bytes.empty() && expect_ != Expect::kNothing) {
    if (expect_ == Expect::kPayload) {
      TakePayload(&bytes);
      if (remaining_ == 0) {
        expect_ = Expect::kHeader;
        if (opcode_ >= WebSocketOpcode::kClose) failure_ = OnControl();
      }
      continue;
    }
    const size_t n = std::min(header_wanted_ - header_bytes_, bytes.size());
    std::memcpy(header_.data() + header_bytes_, bytes.data(), n);
    header_bytes_ += n;
    bytes = bytes.subspan(n);
    if (header_bytes_ < header_wanted_) break;
    failure_ = OnHeader();
  }
  return failure_;
}

// Called with 2 bytes, and again with all when there are more. Section 5.2.
Status WebSocketDecoder::OnHeader() {
  const auto byte = [this](size_t i) { return static_cast<uint8_t>(header_[i]); };
  const size_t short_length = byte(1) & 0x7f;
  const size_t length_bytes = short_length == 127 ? 8 : short_length == 126 ? 2 : 0;
  if (header_bytes_ == 2) {
    fin_ = (byte(0) & kFin) != 0;
    opcode_ = static_cast<WebSocketOpcode>(byte(0) & 0x0f);
    const bool control = opcode_ >= WebSocketOpcode::kClose;
    if ((byte(0) & kReserved) != 0) return InvalidArgument("a reserved bit is set");
    if ((byte(1) & kMasked) == 0) return InvalidArgument("a client's frame is not masked");
    if (opcode_ > WebSocketOpcode::kPong ||
        (opcode_ > WebSocketOpcode::kBinary && opcode_ < WebSocketOpcode::kClose)) {
      return InvalidArgument("unknown opcode ", byte(0) & 0x0f);
    }
    if (control && (!fin_ || short_length > kMaxControl_bytes)) {
      return InvalidArgument("a control frame is fragmented or longer than 125 bytes");
    }
    if (!control && in_message_ != (opcode_ == WebSocketOpcode::kContinuation)) {
      return InvalidArgument("fragments of messages are mixed");
    }
    header_wanted_ = 2 + length_bytes + mask_.size();
    return OkStatus();
  }
  remaining_ = length_bytes == 0 ? short_length : 0;
  for (size_t i = 0; i < length_bytes; ++i) remaining_ = remaining_ << 8 | byte(2 + i);
  if (remaining_ >> 63 != 0) return InvalidArgument("a frame's length has its highest bit set");
  std::copy_n(header_.data() + 2 + length_bytes, mask_.size(), mask_.data());
  mask_at_ = 0;
  header_bytes_ = 0;
  header_wanted_ = 2;
  control_.clear();
  if (opcode_ >= WebSocketOpcode::kClose) {
    if (remaining_ == 0) return OnControl();
  } else {
    if (opcode_ != WebSocketOpcode::kContinuation) first_ = true;
    in_message_ = !fin_;
    if (remaining_ == 0) {
      events_->OnPart({}, std::exchange(first_, false), fin_);
      return OkStatus();
    }
  }
  expect_ = Expect::kPayload;
  return OkStatus();
}

void WebSocketDecoder::TakePayload(std::span<char>* bytes) {
  const std::span<char> data = bytes->first(std::min<uint64_t>(remaining_, bytes->size()));
  *bytes = bytes->subspan(data.size());
  remaining_ -= data.size();
  Unmask(data, mask_, &mask_at_);
  if (opcode_ >= WebSocketOpcode::kClose) {
    control_.append(data.data(), data.size());
  } else {
    events_->OnPart(data, std::exchange(first_, false), fin_ && remaining_ == 0);
  }
}

Status WebSocketDecoder::OnControl() {
  if (opcode_ == WebSocketOpcode::kPing) events_->OnPing(control_);
  if (opcode_ != WebSocketOpcode::kClose) return OkStatus();
  if (control_.size() == 1) return InvalidArgument("a close code has one byte");
  expect_ = Expect::kNothing;
  const uint16_t code = control_.empty()
                            ? kCloseNoCode
                            : static_cast<uint16_t>(static_cast<uint8_t>(control_[0]) << 8 |
                                                    static_cast<uint8_t>(control_[1]));
  events_->OnClose(code);
  return OkStatus();
}

std::string WebSocketHeader(WebSocketOpcode opcode, uint64_t payload_bytes) {
  std::string out;
  out.push_back(static_cast<char>(kFin | static_cast<uint8_t>(opcode)));
  int length_bytes = 0;
  if (payload_bytes <= kMaxControl_bytes) {
    out.push_back(static_cast<char>(payload_bytes));
  } else if (payload_bytes <= 0xffff) {
    out.push_back(126);
    length_bytes = 2;
  } else {
    out.push_back(127);
    length_bytes = 8;
  }
  for (int i = length_bytes - 1; i >= 0; --i) {
    out.push_back(static_cast<char>(payload_bytes >> (8 * i)));
  }
  return out;
}

}  // namespace crisp::streaming
