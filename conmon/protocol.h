// The wire contract between crispd and crisp-monitor: messages, file names, file formats.
//
// What:    packets over a unix SOCK_SEQPACKET socket (one packet = one message), the exit record
// and
//          the pid file. Both sides include this header and nothing else of each other: a monitor
//          may be years older than the daemon that talks to it.
// Contract: the header of a packet and HelloBody never change. Everything else may only grow at its
//          end: decoders ignore bytes (and, in files, lines) that they do not know. A message type
//          that the monitor does not know is answered with kUnsupported, never with silence.
// Encoding: little-endian integers; text is u32 length + bytes.
// Threads: values and pure functions.
// Errors:  a decoder returns an empty optional for anything truncated, oversized or out of range.
//
// A conversation, client (crispd) on the left:
//   kHello           -> kHelloAck | kUnsupported    first on every connection. On the connection
//   that
//                                                   the monitor inherits it also starts `create`
//                    <- kCreated | kCreateFailed    event, on the inherited connection
//   kReopenLog       -> kOk | kError                the new file exists when kOk arrives
//   kResize          -> kOk | kError
//   kStatus          -> kStatusReport
//   kCloseStdin      -> kOk | kError
//   kShutdown        -> kOk                         kills PID 1; the usual end (kExit) follows
//   kUpgrade         -> kOk | kError                re-exec in place; the connection lives on
//   kAttach          -> kOk | kError                from then on also:
//       kAttachStdin, kAttachStdinEof ->            no answer; back-pressure is the socket's
//                    <- kAttachStdout, kAttachStderr
//                    <- kOom, kExit                 events, to every connection that said hello
//
// After kExit the monitor closes the connection and ends; the exit record is on disk by then. A
// connection that closes without kExit was dropped for not reading (see kAttach in the README), or
// the monitor died. recv(2) may say ECONNRESET once when the monitor closed with a request of ours
// unread: the packets queued before that are still there and must be read.
#ifndef CRISP_CONMON_PROTOCOL_H_
#define CRISP_CONMON_PROTOCOL_H_

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace crisp::conmon {

inline constexpr uint16_t kProtocolMin = 1;
inline constexpr uint16_t kProtocolMax = 1;

// Names in the container's state directory.
inline constexpr std::string_view kSocketName = "monitor.sock";         // mode 0600
inline constexpr std::string_view kPidFileName = "pid";                 // PidFile
inline constexpr std::string_view kExitFileName = "exit";               // ExitRecord
inline constexpr std::string_view kRuntimePidName = "runtime.pid";      // only during create
inline constexpr std::string_view kRuntimeLogName = "runtime.log";      // only during create
inline constexpr std::string_view kConsoleSocketName = "console.sock";  // only during create
// The number of the inherited connection in a monitor that crispd starts.
inline constexpr int kControlFd = 3;

inline constexpr size_t kHeaderSize = 8;
inline constexpr size_t kMaxBody_bytes = 16384;
inline constexpr size_t kMaxPacket_bytes = kHeaderSize + kMaxBody_bytes;

enum class MessageType : uint16_t {
  // Requests.
  kHello = 1,
  kReopenLog = 2,
  kResize = 3,
  kStatus = 4,
  kCloseStdin = 5,
  kAttach = 6,
  kShutdown = 7,
  kUpgrade = 8,
  kAttachStdin = 16,
  kAttachStdinEof = 17,
  // Answers; `request` is that of the request.
  kHelloAck = 64,
  kOk = 65,
  kError = 66,
  kUnsupported = 67,
  kStatusReport = 68,
  // Events; `request` is 0.
  kCreated = 96,
  kCreateFailed = 97,
  kOom = 98,
  kExit = 99,
  kAttachStdout = 112,
  kAttachStderr = 113,
};

struct Header {
  uint16_t version = kProtocolMax;
  uint16_t type = 0;
  uint32_t request = 0;  // chosen by the client, echoed in the answer
};

class BodyWriter {
 public:
  BodyWriter& U8(uint8_t v) { return Integer(v, 1); }
  BodyWriter& U16(uint16_t v) { return Integer(v, 2); }
  BodyWriter& U32(uint32_t v) { return Integer(v, 4); }
  BodyWriter& U64(uint64_t v) { return Integer(v, 8); }
  // Cut to what fits in a packet with room for other fields.
  BodyWriter& Text(std::string_view text) {
    text = text.substr(0, kMaxBody_bytes - 1024);
    U32(static_cast<uint32_t>(text.size()));
    out_.append(text);
    return *this;
  }
  std::string Take() { return std::move(out_); }

 private:
  BodyWriter& Integer(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<char>(v >> (8 * i)));
    return *this;
  }
  std::string out_;
};

// Reads past the end give zeros and make ok() false for good.
class BodyReader {
 public:
  explicit BodyReader(std::string_view data) : data_(data) {}
  uint8_t U8() { return static_cast<uint8_t>(Integer(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Integer(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Integer(4)); }
  uint64_t U64() { return Integer(8); }
  std::string Text() {
    const size_t size = U32();
    if (size > data_.size()) ok_ = false;
    if (!ok_) return {};
    std::string text(data_.substr(0, size));
    data_.remove_prefix(size);
    return text;
  }
  bool ok() const { return ok_; }

 private:
  uint64_t Integer(size_t bytes) {
    if (data_.size() < bytes) ok_ = false;
    if (!ok_) return 0;
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; ++i) {
      v |= static_cast<uint64_t>(static_cast<unsigned char>(data_[i])) << (8 * i);
    }
    data_.remove_prefix(bytes);
    return v;
  }
  std::string_view data_;
  bool ok_ = true;
};

inline std::string EncodePacket(MessageType type, uint32_t request, std::string_view body = {}) {
  BodyWriter header;
  header.U16(kProtocolMax).U16(static_cast<uint16_t>(type)).U32(request);
  std::string packet = header.Take();
  packet.append(body);
  return packet;
}

struct Packet {
  Header header;
  std::string_view body;  // points into what was decoded
  bool is(MessageType type) const { return header.type == static_cast<uint16_t>(type); }
};
// The version is not checked here: the receiver answers a foreign one with kUnsupported.
inline std::optional<Packet> DecodePacket(std::string_view data) {
  if (data.size() < kHeaderSize || data.size() > kMaxPacket_bytes) return std::nullopt;
  BodyReader reader(data);
  Packet packet;
  packet.header.version = reader.U16();
  packet.header.type = reader.U16();
  packet.header.request = reader.U32();
  packet.body = data.substr(kHeaderSize);
  return packet;
}

// kHello: what the sender can speak. kHelloAck: `min` = `max` = the version to use.
struct HelloBody {
  uint16_t min = kProtocolMin;
  uint16_t max = kProtocolMax;
  std::string program;  // "crisp-monitor 0.1.0"; for logs

  std::string Encode() const { return BodyWriter().U16(min).U16(max).Text(program).Take(); }
  static std::optional<HelloBody> Decode(std::string_view body) {
    BodyReader in(body);
    HelloBody out;
    out.min = in.U16();
    out.max = in.U16();
    out.program = in.Text();
    if (!in.ok() || out.min > out.max) return std::nullopt;
    return out;
  }
};

// kCreated: PID 1 of the container waits for the runtime's `start`.
struct CreatedBody {
  int32_t pid = 0;
  uint64_t start_time = 0;  // field 22 of /proc/<pid>/stat, clock ticks

  std::string Encode() const {
    return BodyWriter().U32(static_cast<uint32_t>(pid)).U64(start_time).Take();
  }
  static std::optional<CreatedBody> Decode(std::string_view body) {
    BodyReader in(body);
    CreatedBody out;
    out.pid = static_cast<int32_t>(in.U32());
    out.start_time = in.U64();
    if (!in.ok() || out.pid <= 0) return std::nullopt;
    return out;
  }
};

// kError and kCreateFailed. `code` is a gRPC status code (base/core/result.h), never 0.
struct ErrorBody {
  uint32_t code = 0;
  int32_t sys_errno = 0;
  std::string text;

  std::string Encode() const {
    return BodyWriter().U32(code).U32(static_cast<uint32_t>(sys_errno)).Text(text).Take();
  }
  static std::optional<ErrorBody> Decode(std::string_view body) {
    BodyReader in(body);
    ErrorBody out;
    out.code = in.U32();
    out.sys_errno = static_cast<int32_t>(in.U32());
    out.text = in.Text();
    if (!in.ok() || out.code == 0 || out.code > 16) return std::nullopt;
    return out;
  }
};

struct UnsupportedBody {
  uint16_t type = 0;  // of the request
  uint16_t min = kProtocolMin;
  uint16_t max = kProtocolMax;

  std::string Encode() const { return BodyWriter().U16(type).U16(min).U16(max).Take(); }
  static std::optional<UnsupportedBody> Decode(std::string_view body) {
    BodyReader in(body);
    UnsupportedBody out;
    out.type = in.U16();
    out.min = in.U16();
    out.max = in.U16();
    if (!in.ok()) return std::nullopt;
    return out;
  }
};

struct ResizeBody {
  uint16_t columns = 0;
  uint16_t rows = 0;

  std::string Encode() const { return BodyWriter().U16(columns).U16(rows).Take(); }
  static std::optional<ResizeBody> Decode(std::string_view body) {
    BodyReader in(body);
    ResizeBody out;
    out.columns = in.U16();
    out.rows = in.U16();
    if (!in.ok()) return std::nullopt;
    return out;
  }
};

struct AttachBody {
  static constexpr uint8_t kStdin = 1;
  static constexpr uint8_t kStdout = 2;
  static constexpr uint8_t kStderr = 4;
  uint8_t streams = 0;

  std::string Encode() const { return BodyWriter().U8(streams).Take(); }
  static std::optional<AttachBody> Decode(std::string_view body) {
    BodyReader in(body);
    AttachBody out;
    out.streams = in.U8();
    if (!in.ok() || out.streams == 0 || out.streams > 7) return std::nullopt;
    return out;
  }
};

// kUpgrade: the program that replaces the monitor's.
struct UpgradeBody {
  std::string program_path;

  std::string Encode() const { return BodyWriter().Text(program_path).Take(); }
  static std::optional<UpgradeBody> Decode(std::string_view body) {
    BodyReader in(body);
    UpgradeBody out;
    out.program_path = in.Text();
    if (!in.ok() || out.program_path.empty() || out.program_path[0] != '/') return std::nullopt;
    return out;
  }
};

enum class MonitorState : uint8_t { kCreating = 0, kCreated = 1, kDraining = 2, kExited = 3 };

struct StatusBody {
  MonitorState state = MonitorState::kCreating;
  uint8_t stdin_open = 0;
  uint8_t terminal = 0;
  uint8_t oom_watched = 0;
  int32_t monitor_pid = 0;
  int32_t container_pid = 0;  // 0 before kCreated
  uint64_t container_start_time = 0;
  uint64_t logged_bytes = 0;   // written to log files, prefixes included
  uint64_t dropped_bytes = 0;  // could not be written to the log
  uint32_t oom_kills = 0;
  uint32_t attached = 0;  // attach connections
  std::string program;    // "crisp-monitor 0.1.0"

  std::string Encode() const {
    BodyWriter out;
    out.U8(static_cast<uint8_t>(state)).U8(stdin_open).U8(terminal).U8(oom_watched);
    out.U32(static_cast<uint32_t>(monitor_pid)).U32(static_cast<uint32_t>(container_pid));
    out.U64(container_start_time).U64(logged_bytes).U64(dropped_bytes);
    return out.U32(oom_kills).U32(attached).Text(program).Take();
  }
  static std::optional<StatusBody> Decode(std::string_view body) {
    BodyReader in(body);
    StatusBody out;
    const uint8_t state = in.U8();
    out.stdin_open = in.U8();
    out.terminal = in.U8();
    out.oom_watched = in.U8();
    out.monitor_pid = static_cast<int32_t>(in.U32());
    out.container_pid = static_cast<int32_t>(in.U32());
    out.container_start_time = in.U64();
    out.logged_bytes = in.U64();
    out.dropped_bytes = in.U64();
    out.oom_kills = in.U32();
    out.attached = in.U32();
    out.program = in.Text();
    if (!in.ok() || state > 3) return std::nullopt;
    out.state = static_cast<MonitorState>(state);
    return out;
  }
};

// How PID 1 ended: the body of kExit and the content of state_dir/exit.
struct ExitRecord {
  int32_t exit_code = 0;       // 0..255; 128 + signal
  int32_t signal = 0;          // 0: left by exit(2)
  bool oom_killed = false;     // the OOM killer killed a process of the container at some time
  int64_t finished_at_ns = 0;  // wall clock, ns since the epoch

  std::string Encode() const {
    BodyWriter out;
    out.U32(static_cast<uint32_t>(exit_code)).U32(static_cast<uint32_t>(signal));
    return out.U8(oom_killed ? 1 : 0).U64(static_cast<uint64_t>(finished_at_ns)).Take();
  }
  static std::optional<ExitRecord> Decode(std::string_view body) {
    BodyReader in(body);
    ExitRecord out;
    out.exit_code = static_cast<int32_t>(in.U32());
    out.signal = static_cast<int32_t>(in.U32());
    out.oom_killed = in.U8() != 0;
    out.finished_at_ns = static_cast<int64_t>(in.U64());
    if (!in.ok() || !out.InRange()) return std::nullopt;
    return out;
  }
  bool InRange() const {
    return exit_code >= 0 && exit_code <= 255 && signal >= 0 && signal <= 127 &&
           finished_at_ns >= 0;
  }
  // The file, version 1; replaced atomically (a temporary file, then rename):
  //   crisp-exit 1 / code N / signal N / oom 0|1 / finished_at_ns N / end     one line each
  // Lines with other names may come before "end" and are skipped.
  std::string ToText() const;
  static std::optional<ExitRecord> FromText(std::string_view text);
};

// state_dir/pid, version 1; written when the monitor starts, again when the container is created:
//   crisp-pid 1 / monitor PID START_TIME / container PID START_TIME / end     one line each
struct PidFile {
  int32_t monitor_pid = 0;
  uint64_t monitor_start_time = 0;
  int32_t container_pid = 0;  // 0, and no line: not created yet
  uint64_t container_start_time = 0;

  std::string ToText() const;
  static std::optional<PidFile> FromText(std::string_view text);
};

namespace internal {

template <typename Integer>
bool ParseInteger(std::string_view text, Integer* out) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *out);
  return result.ec == std::errc() && result.ptr == end;
}

inline std::pair<std::string_view, std::string_view> SplitAt(std::string_view text, char mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

// Calls `line(key, value)` for each line between "<title> 1" and "end"; false when either is
// missing, the text is too long or `line` returned false.
template <typename Line>
bool ParseLines(std::string_view text, std::string_view title, Line&& line) {
  if (text.size() > 4096 || text.empty() || text.back() != '\n') return false;
  bool first = true;
  while (!text.empty()) {
    const auto [current, rest] = SplitAt(text, '\n');
    const auto [key, value] = SplitAt(current, ' ');
    text = rest;
    if (first) {
      if (key != title || value != "1") return false;
      first = false;
    } else if (current == "end") {
      return true;
    } else if (!line(key, value)) {
      return false;
    }
  }
  return false;
}

inline std::string PidLine(std::string_view name, int32_t pid, uint64_t start_time) {
  return std::string(name) + ' ' + std::to_string(pid) + ' ' + std::to_string(start_time) + '\n';
}

inline bool ParsePidLine(std::string_view value, int32_t* pid, uint64_t* start_time) {
  const auto [first, second] = SplitAt(value, ' ');
  return ParseInteger(first, pid) && *pid > 0 && ParseInteger(second, start_time);
}

}  // namespace internal

inline std::string ExitRecord::ToText() const {
  return "crisp-exit 1\ncode " + std::to_string(exit_code) + "\nsignal " + std::to_string(signal) +
         "\noom " + (oom_killed ? "1" : "0") + "\nfinished_at_ns " +
         std::to_string(finished_at_ns) + "\nend\n";
}

inline std::optional<ExitRecord> ExitRecord::FromText(std::string_view text) {
  ExitRecord out;
  int32_t oom = 0;
  unsigned seen = 0;
  const bool whole =
      internal::ParseLines(text, "crisp-exit", [&](std::string_view key, std::string_view value) {
        if (key == "code") return seen |= 1, internal::ParseInteger(value, &out.exit_code);
        if (key == "signal") return seen |= 2, internal::ParseInteger(value, &out.signal);
        if (key == "oom") return seen |= 4, internal::ParseInteger(value, &oom);
        if (key == "finished_at_ns") {
          return seen |= 8, internal::ParseInteger(value, &out.finished_at_ns);
        }
        return true;
      });
  if (!whole || seen != 15 || oom < 0 || oom > 1 || !out.InRange()) return std::nullopt;
  out.oom_killed = oom == 1;
  return out;
}

inline std::string PidFile::ToText() const {
  std::string text =
      "crisp-pid 1\n" + internal::PidLine("monitor", monitor_pid, monitor_start_time);
  if (container_pid > 0) {
    text += internal::PidLine("container", container_pid, container_start_time);
  }
  return text + "end\n";
}

inline std::optional<PidFile> PidFile::FromText(std::string_view text) {
  PidFile out;
  const bool whole =
      internal::ParseLines(text, "crisp-pid", [&](std::string_view key, std::string_view value) {
        if (key == "monitor") {
          return internal::ParsePidLine(value, &out.monitor_pid, &out.monitor_start_time);
        }
        if (key == "container") {
          return internal::ParsePidLine(value, &out.container_pid, &out.container_start_time);
        }
        return true;
      });
  if (!whole || out.monitor_pid == 0) return std::nullopt;
  return out;
}

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_PROTOCOL_H_
