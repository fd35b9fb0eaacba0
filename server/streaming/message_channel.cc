#include "server/streaming/message_channel.h"

namespace crisp::streaming {
namespace {

constexpr uint8_t kCloseSignal = 0xff;

}  // namespace

Status MessageReader::Part(std::span<char> data, bool first, bool last) {
  if (first) {
    has_channel_ = false;
    signal_.clear();
    decoder_ = Base64Decoder();
  }
  if (!has_channel_ && !data.empty()) {
    has_channel_ = true;
    channel_ = static_cast<uint8_t>(data[0]);
    if (base64_) channel_ = static_cast<uint8_t>(channel_ - '0');
    data = data.subspan(1);
  }
  if (!has_channel_) return OkStatus();
  if (close_signal_ && channel_ == kCloseSignal) {
    for (size_t i = 0; i < data.size() && signal_.size() < 2; ++i) signal_.push_back(data[i]);
    if (last && signal_.size() == 1) events_->OnChannelEnd(static_cast<uint8_t>(signal_[0]));
    return OkStatus();
  }
  if (!base64_) {
    if (!data.empty()) events_->OnChannelData(channel_, {data.data(), data.size()});
    return OkStatus();
  }
  decoded_.clear();
  CRISP_RETURN_IF_ERROR(decoder_.Feed({data.data(), data.size()}, &decoded_));
  if (!decoded_.empty()) events_->OnChannelData(channel_, decoded_);
  return last ? decoder_.End() : OkStatus();
}

ChannelMessage MakeChannelMessage(bool base64, uint8_t channel, std::string_view data) {
  ChannelMessage out;
  out.opcode = base64 ? WebSocketOpcode::kText : WebSocketOpcode::kBinary;
  if (base64) {
    out.piece.head = Cat(static_cast<char>('0' + channel), EncodeBase64(data));
  } else {
    out.piece.head = std::string(1, static_cast<char>(channel));
    out.piece.body = data;
  }
  return out;
}

}  // namespace crisp::streaming
