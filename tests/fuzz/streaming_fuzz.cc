// What clients of streaming URLs send beside SPDY: the upgrade request, WebSocket frames, the
// channels in their messages, terminal sizes.
#include <algorithm>
#include <map>

#include "fuzz.h"
#include "server/streaming/handshake.h"
#include "server/streaming/http_request.h"
#include "server/streaming/message_channel.h"
#include "server/streaming/resize_parser.h"
#include "server/streaming/websocket_decoder.h"

namespace crisp::streaming {
namespace {

constexpr size_t kHeadLimit_bytes = 16 << 10;

// Writes down what is reported; parts of one message are put together.
class Recorder : public WebSocketDecoder::Events {
 public:
  virtual ~Recorder() = default;
  void OnPart(std::span<char> data, bool first, bool last) override {
    CRISP_REQUIRE(!closed_ && first == !in_message_);
    in_message_ = !last;
    if (first) log += "message ";
    log.append(data.data(), data.size());
    if (last) log += '\n';
  }
  void OnPing(std::string_view payload) override {
    CRISP_REQUIRE(!closed_ && payload.size() <= 125);
    pings += Cat(payload, '\n');
  }
  void OnClose(uint16_t code) override {
    CRISP_REQUIRE(!closed_);
    closed_ = true;
    log += Cat("close ", code, '\n');
  }

  std::string log;
  std::string pings;

 private:
  bool in_message_ = false;
  bool closed_ = false;
};

struct Outcome {
  std::string log;
  std::string pings;
  Status status;
};

Outcome Decode(std::string_view input, size_t piece) {
  Recorder recorder;
  WebSocketDecoder decoder(&recorder);
  Status status;
  while (!input.empty() && status.ok()) {
    std::string bytes(input.substr(0, piece));  // it is unmasked in place
    input.remove_prefix(bytes.size());
    status = decoder.Feed(bytes);
  }
  return {recorder.log, recorder.pings, status};
}

// What one message has said.
class Spoken : public MessageReader::Events {
 public:
  virtual ~Spoken() = default;
  void OnChannelData(uint8_t channel, std::string_view data) override {
    CRISP_REQUIRE(!data.empty());
    said[channel].append(data);
  }
  void OnChannelEnd(uint8_t channel) override { ended.push_back(channel); }

  std::map<uint8_t, std::string> said;
  std::vector<uint8_t> ended;
};

Status ReadMessage(std::string_view message, size_t piece, bool base64, bool close_signal,
                   Spoken* spoken) {
  MessageReader reader(spoken, base64, close_signal);
  Status status;
  bool first = true;
  do {
    std::string part(message.substr(0, piece));
    message.remove_prefix(part.size());
    status = reader.Part(part, first, message.empty());
    first = false;
  } while (!message.empty() && status.ok());
  return status;
}

struct Head {
  std::string text;  // the request and what is behind it; empty: refused, or incomplete
  HttpRequest request;
};

Head ParseHead(std::string_view input, size_t piece) {
  HttpRequestParser parser(kHeadLimit_bytes);
  Head head;
  while (!input.empty()) {
    const std::string_view bytes = input.substr(0, piece);
    input.remove_prefix(bytes.size());
    const Result<bool> done = parser.Feed(bytes);
    if (!done.ok()) return head;
    if (!*done) continue;
    head.request = parser.TakeRequest();
    head.text = Cat(head.request.method, ' ', head.request.target, '\n');
    for (const auto& [name, value] : head.request.headers) head.text += Cat(name, ':', value, '\n');
    head.text += Cat(" + ", parser.TakeSurplus(), input);
    return head;
  }
  return head;
}

}  // namespace

CRISP_FUZZ(upgrade_request) {
  // Where the limit is met, to some bytes, depends on the pieces.
  if (input.size() > kHeadLimit_bytes / 2) return;
  const Head whole = ParseHead(input, std::max<size_t>(1, input.size()));
  const Head cut = ParseHead(input, 1 + input.size() % 7);
  CRISP_REQUIRE(cut.text == whole.text);
  if (whole.text.empty()) return;
  if (const auto path = ParsePath(whole.request.target)) {
    CRISP_REQUIRE(whole.request.target.find(path->token) != std::string::npos);
  }
  for (Kind kind : {Kind::kExec, Kind::kAttach, Kind::kPortForward}) {
    const auto decision = DecideUpgrade(whole.request, kind);
    const auto* refusal = std::get_if<Refusal>(&decision);
    const std::string response =
        refusal != nullptr ? refusal->Response() : std::get<Upgrade>(decision).response;
    // One head, whatever the client's headers hold.
    CRISP_REQUIRE(response.starts_with(refusal != nullptr ? "HTTP/1.1 4" : "HTTP/1.1 101"));
    if (refusal == nullptr) CRISP_REQUIRE(response.find("\r\n\r\n") == response.size() - 4);
  }
}

CRISP_FUZZ(websocket) {
  const Outcome whole = Decode(input, std::max<size_t>(1, input.size()));
  for (size_t piece : {size_t{1}, 2 + input.size() % 29}) {
    const Outcome cut = Decode(input, piece);
    CRISP_REQUIRE(cut.log == whole.log);
    CRISP_REQUIRE(cut.pings == whole.pings);
    CRISP_REQUIRE(cut.status.ToString() == whole.status.ToString());
  }
}

CRISP_FUZZ(message_channel) {
  for (const bool base64 : {false, true}) {
    for (const bool close_signal : {false, true}) {
      Spoken whole;
      const Status status =
          ReadMessage(input, std::max<size_t>(1, input.size()), base64, close_signal, &whole);
      CRISP_REQUIRE(whole.said.size() <= 1 && whole.ended.size() <= 1);
      for (size_t piece : {size_t{1}, 2 + input.size() % 7}) {
        Spoken cut;
        CRISP_REQUIRE(ReadMessage(input, piece, base64, close_signal, &cut).ok() == status.ok());
        CRISP_REQUIRE(cut.ended == whole.ended);
        if (status.ok()) CRISP_REQUIRE(cut.said == whole.said);
      }
    }
    const ChannelMessage ours = MakeChannelMessage(base64, 3, input);
    Spoken back;
    CRISP_REQUIRE(ReadMessage(Cat(ours.piece.head, ours.piece.body), 1 + input.size() % 5, base64,
                              /*close_signal=*/true, &back)
                      .ok());
    CRISP_REQUIRE(back.said[3] == input);
  }
}

CRISP_FUZZ(resize) {
  ResizeParser whole;
  const std::optional<pod::TerminalSize> size = whole.Feed(input);
  std::optional<pod::TerminalSize> last;
  ResizeParser pieces;
  for (size_t at = 0; at < input.size(); ++at) {
    if (const auto now = pieces.Feed(input.substr(at, 1))) last = now;
  }
  CRISP_REQUIRE(pieces.failed() == whole.failed());
  CRISP_REQUIRE(size.has_value() == last.has_value());
  if (!size) return;
  CRISP_REQUIRE(size->columns == last->columns && size->rows == last->rows);
  CRISP_REQUIRE(size->columns > 0 && size->rows > 0);
}

}  // namespace crisp::streaming
