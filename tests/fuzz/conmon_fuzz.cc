// The monitor's wire and files, the container's output on its way into the log and out of it, and
// what the kernel counts.
#include <algorithm>

#include "conmon/handover.h"
#include "conmon/line_formatter.h"
#include "conmon/oom_watch.h"
#include "conmon/protocol.h"
#include "conmon/runtime_log.h"
#include "fuzz.h"
#include "server/cli/cri_log.h"

namespace crisp::conmon {
namespace {

// What a decoder accepts, it accepts again after encoding, and with more bytes behind it.
template <typename Body>
void CheckBody(std::string_view bytes) {
  const std::optional<Body> body = Body::Decode(bytes);
  if (!body) return;
  const std::string encoded = body->Encode();
  const std::optional<Body> again = Body::Decode(encoded);
  CRISP_REQUIRE(again.has_value());
  CRISP_REQUIRE(again->Encode() == encoded);
  CRISP_REQUIRE(Body::Decode(encoded + "later additions").has_value());
}

void CheckText(std::string_view text) {
  CRISP_REQUIRE(text.size() <= 4096);
  for (char c : text) CRISP_REQUIRE(static_cast<unsigned char>(c) >= ' ');
}

class Collector : public LineSink {
 public:
  virtual ~Collector() = default;
  void WriteLines(std::string_view text) override { lines += text; }
  std::string lines;
};

// The log of a stream whose bytes come in pieces of `piece` bytes.
std::string LogOf(std::string_view bytes, size_t piece, size_t limit) {
  Collector collector;
  std::string buffer(limit + 2 * LineFormatter::kOverhead, '\0');
  LogBatch batch(buffer.data(), buffer.size(), &collector);
  LineFormatter formatter("stdout", limit);
  std::string rest;
  while (!bytes.empty()) {
    rest += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
    rest.erase(0, formatter.Format(rest, 1764000000123456789, &batch));
    CRISP_REQUIRE(rest.size() <= limit);
  }
  formatter.Finish(rest, 1764000000123456789, &batch);
  batch.Flush();
  return collector.lines;
}

}  // namespace

CRISP_FUZZ(monitor_packet) {
  const std::optional<Packet> packet = DecodePacket(input);
  if (!packet) return;
  const std::string again = EncodePacket(static_cast<MessageType>(packet->header.type),
                                         packet->header.request, packet->body);
  const std::optional<Packet> decoded = DecodePacket(again);
  CRISP_REQUIRE(decoded.has_value());
  CRISP_REQUIRE(decoded->header.type == packet->header.type);
  CRISP_REQUIRE(decoded->header.request == packet->header.request);
  CRISP_REQUIRE(decoded->body == packet->body);
  CheckBody<HelloBody>(packet->body);
  CheckBody<CreatedBody>(packet->body);
  CheckBody<ErrorBody>(packet->body);
  CheckBody<UnsupportedBody>(packet->body);
  CheckBody<ResizeBody>(packet->body);
  CheckBody<AttachBody>(packet->body);
  CheckBody<UpgradeBody>(packet->body);
  CheckBody<StatusBody>(packet->body);
  CheckBody<ExitRecord>(packet->body);
}

CRISP_FUZZ(monitor_files) {
  if (const std::optional<ExitRecord> record = ExitRecord::FromText(input)) {
    CRISP_REQUIRE(record->InRange());
    const std::optional<ExitRecord> again = ExitRecord::FromText(record->ToText());
    CRISP_REQUIRE(again && again->ToText() == record->ToText());
  }
  if (const std::optional<PidFile> file = PidFile::FromText(input)) {
    CRISP_REQUIRE(file->monitor_pid > 0 && file->container_pid >= 0);
    const std::optional<PidFile> again = PidFile::FromText(file->ToText());
    CRISP_REQUIRE(again && again->ToText() == file->ToText());
  }
}

// memory.events and memory.oom_control, which grow with the kernel.
CRISP_FUZZ(oom_events) {
  const std::optional<uint32_t> kills = FindOomKills(input);
  CRISP_REQUIRE(FindOomKills(Cat("oom 7\noom_group_kill 8\n", input)) == kills);
  CRISP_REQUIRE(FindOomKills(Cat(input, "\noom_kill 9\n")) == kills.value_or(9));
  if (kills) CRISP_REQUIRE(input.find("oom_kill ") != std::string_view::npos);
}

CRISP_FUZZ(handover) {
  const Result<Handover> state = Handover::Decode(input);
  if (!state.ok()) return;
  const std::string encoded = state->Encode();
  const Result<Handover> again = Handover::Decode(encoded);
  CRISP_REQUIRE(again.ok());
  CRISP_REQUIRE(again->Encode() == encoded);
}

CRISP_FUZZ(runtime_log) {
  CheckText(LastErrorMessage(input));
  CheckText(LastTextLine(input));
}

// A container's output comes back byte for byte from its log, however it was cut.
CRISP_FUZZ(container_output) {
  const size_t limit = 64;
  const std::string log = LogOf(input, std::max<size_t>(1, input.size()), limit);
  CRISP_REQUIRE(LogOf(input, 1 + input.size() % 150, limit) == log);
  std::string content;
  std::string_view lines = log;
  while (!lines.empty()) {
    const fuzz::Parts parts = fuzz::SplitLine(lines);
    CRISP_REQUIRE(parts.first.size() < lines.size());  // the newline is there
    const std::optional<cli::LogLine> line = cli::ParseLogLine(parts.first);
    CRISP_REQUIRE(line && !line->is_stderr && line->text.size() <= limit);
    content += Cat(line->text, line->partial ? "" : "\n");
    lines = parts.rest;
  }
  CRISP_REQUIRE(content == input);
}

CRISP_FUZZ(cri_log) {
  while (!input.empty()) {
    const fuzz::Parts parts = fuzz::SplitLine(input);
    const std::optional<cli::LogLine> line = cli::ParseLogLine(parts.first);
    if (line) CRISP_REQUIRE(parts.first.ends_with(line->text));
    input = parts.rest;
  }
}

}  // namespace crisp::conmon
