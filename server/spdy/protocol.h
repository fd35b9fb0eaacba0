// The numbers of SPDY/3.1.
//
// Contract: SPDY Protocol Draft 3.1, sections 2.2 (framing) and 2.6 (control frames). All integers
//           on the wire are big-endian.
#ifndef CRISP_SERVER_SPDY_PROTOCOL_H_
#define CRISP_SERVER_SPDY_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace crisp::spdy {

// Odd: made by the client. 0 is no stream.
using StreamId = uint32_t;

enum class FrameType : uint16_t {
  kSynStream = 1,
  kSynReply = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoaway = 7,
  kHeaders = 8,
  kWindowUpdate = 9,
};

// Section 2.6.3. Other numbers may arrive: they are passed on as they are.
enum class ResetStatus : uint32_t {
  kProtocolError = 1,
  kInvalidStream = 2,
  kRefusedStream = 3,
  kUnsupportedVersion = 4,
  kCancel = 5,
  kInternalError = 6,
  kFlowControlError = 7,
  kStreamInUse = 8,
  kStreamAlreadyClosed = 9,
  kInvalidCredentials = 10,
  kFrameTooLarge = 11,
};

// Section 2.6.6.
enum class GoawayStatus : uint32_t { kOk = 0, kProtocolError = 1, kInternalError = 2 };

inline constexpr size_t kFrameHeaderBytes = 8;
inline constexpr uint32_t kMaxPayloadBytes = (1u << 24) - 1;
inline constexpr uint32_t kMaxStreamId = 0x7fffffff;
inline constexpr uint16_t kVersion = 3;
inline constexpr uint8_t kFlagFin = 0x01;
inline constexpr uint8_t kFlagUnidirectional = 0x02;  // of SYN_STREAM
inline constexpr uint8_t kFlagClearSettings = 0x01;   // of SETTINGS

inline uint32_t ReadU32(const char* p) {
  const auto* u = reinterpret_cast<const unsigned char*>(p);
  return uint32_t{u[0]} << 24 | uint32_t{u[1]} << 16 | uint32_t{u[2]} << 8 | uint32_t{u[3]};
}

inline void AppendU32(std::string* out, uint32_t value) {
  const char bytes[] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                        static_cast<char>(value >> 8), static_cast<char>(value)};
  out->append(bytes, sizeof bytes);
}

// The 8 bytes before a control frame's payload.
inline void AppendControlHeader(std::string* out, FrameType type, uint8_t flags, uint32_t length) {
  AppendU32(out, 0x80000000u | uint32_t{kVersion} << 16 | static_cast<uint32_t>(type));
  AppendU32(out, uint32_t{flags} << 24 | length);
}

// The 8 bytes before a DATA frame's payload.
inline void AppendDataHeader(std::string* out, StreamId id, uint8_t flags, uint32_t length) {
  AppendU32(out, id);
  AppendU32(out, uint32_t{flags} << 24 | length);
}

}  // namespace crisp::spdy

#endif  // CRISP_SERVER_SPDY_PROTOCOL_H_
