// SPDY: raw bytes, header blocks, a client that may do anything in its power, and what it says of
// forwarded streams.
#include "fuzz.h"
#include "server/spdy/connection.h"
#include "server/streaming/forward_stream.h"
#include "tests/support/spdy_client.h"

namespace crisp::spdy {
namespace {

// Checks the order of what is reported and writes it down; answers as `reply` says.
class Owner : public Connection::Events {
 public:
  virtual ~Owner() = default;
  void OnStream(StreamId id, const Headers& headers, bool fin) override {
    CRISP_REQUIRE(id % 2 == 1 && id > last_);
    last_ = id;
    open_.emplace(id, !fin);
    log += Cat("stream ", id, ' ', headers.all().size(), fin ? " fin\n" : "\n");
    if (connection == nullptr) return;
    if (id % 11 == 0) {
      connection->Reset(id, ResetStatus::kRefusedStream);
      open_.erase(id);
    } else {
      CRISP_REQUIRE(connection->Reply(id).ok());
    }
  }
  void OnData(StreamId id, std::string_view data, bool fin) override {
    const auto it = open_.find(id);
    CRISP_REQUIRE(it != open_.end() && it->second);  // open, and not after its fin
    CRISP_REQUIRE(fin || !data.empty());
    if (fin) it->second = false;
    bytes[id] += data;
    if (fin) bytes[id] += " fin";
  }
  void OnReset(StreamId id, ResetStatus status) override {
    CRISP_REQUIRE(open_.erase(id) == 1);
    log += Cat("reset ", id, ' ', static_cast<uint32_t>(status), '\n');
  }
  void OnGoaway() override { log += "goaway\n"; }

  Connection* connection = nullptr;
  std::string log;
  std::map<StreamId, std::string> bytes;

 private:
  StreamId last_ = 0;
  std::map<StreamId, bool> open_;  // true: data may come
};

Options SmallLimits() {
  Options options;
  options.max_streams = 8;
  options.max_control_bytes = 4096;
  options.max_header_bytes = 8192;
  options.max_headers = 20;
  options.max_output_bytes = 4096;
  return options;
}

struct Outcome {
  std::string log;
  std::map<StreamId, std::string> bytes;
  std::string output;
  std::string status;
};

Outcome FeedInPieces(std::string_view input, size_t piece) {
  Owner owner;
  Connection connection(&owner, SmallLimits());
  owner.connection = &connection;
  Status status;
  while (!input.empty() && status.ok()) {
    status = connection.Feed(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
  }
  CRISP_REQUIRE(connection.stream_count() <= SmallLimits().max_streams);
  return {owner.log, owner.bytes, connection.TakeOutput(), status.ToString()};
}

// Steps 0 to 9 are the client's.
void ClientStep(test::SpdyClient* client, unsigned what, unsigned with, std::string_view text) {
  const StreamId id = with % 16;
  const bool fin = with >= 128;
  switch (what % 14) {
    case 0:
    case 1:
      client->SynStream({{"streamtype", std::string(text)}, {"Port", "80"}}, fin);
      break;
    case 2:
      client->SynStreamAs(id, {{"x", std::string(text)}}, static_cast<uint8_t>(with >> 6));
      break;
    case 3:
      client->SynStreamBlock(with | 1, text);
      break;
    case 4:
      client->Data(id, text, fin);
      break;
    case 5:
      client->GoAway(id, what);
      break;
    case 6:
      client->Reset(id, static_cast<ResetStatus>(what));
      break;
    case 7:
      client->Ping(with);
      break;
    case 8:
      client->HeadersFrame(id, {{"later", std::string(text)}}, fin);
      break;
    case 9:
      client->Raw(text);
      break;
    default:
      break;
  }
}

// The others are the server's. Returns what goes to the client.
std::string ServerStep(Connection* server, unsigned what, unsigned with, std::string_view text) {
  const StreamId id = with % 16;
  const bool fin = with >= 128;
  switch (what % 14) {
    case 10:
      if (const auto head = server->StartData(id, text.size(), fin); head.ok()) {
        return Cat(*head, text);
      }
      break;
    case 11:
      (void)server->Finish(id);
      break;
    case 12:
      if (with == 0) server->Goaway(GoawayStatus::kOk);
      break;
    default:
      break;
  }
  return {};
}

}  // namespace

CRISP_FUZZ(spdy) {
  const Outcome whole = FeedInPieces(input, std::max<size_t>(1, input.size()));
  for (size_t piece : {size_t{1}, 1 + input.size() % 37}) {
    const Outcome cut = FeedInPieces(input, piece);
    CRISP_REQUIRE(cut.log == whole.log);
    CRISP_REQUIRE(cut.bytes == whole.bytes);
    CRISP_REQUIRE(cut.output == whole.output);
    CRISP_REQUIRE(cut.status == whole.status);
  }
}

CRISP_FUZZ(spdy_headers) {
  const Result<Headers> headers = ParseHeaders(input, 100);
  if (!headers.ok()) return;
  for (const Header& header : headers->all()) {
    CRISP_REQUIRE(!header.name.empty() && !header.values.empty());
    CRISP_REQUIRE(headers->Find(header.name) == header.values.front());
  }
  const Result<Headers> again = ParseHeaders(EncodeHeaders(*headers), 100);
  CRISP_REQUIRE(again.ok() && *again == *headers);
}

// The input is a script: each step a byte for what to do, and one for with what. The header blocks
// are compressed properly, so that the fuzzer gets past them; the test client checks that the
// server keeps to the protocol whatever happens.
CRISP_FUZZ(spdy_session) {
  Owner owner;
  Connection server(&owner, SmallLimits());
  owner.connection = &server;
  test::SpdyClient client;
  Status status;
  input = input.substr(0, 1000);  // more steps show nothing new
  for (size_t at = 0; at + 1 < input.size() && status.ok(); at += 2) {
    const auto what = static_cast<unsigned char>(input[at]);
    const auto with = static_cast<unsigned char>(input[at + 1]);
    const std::string_view text = input.substr(at, what);
    ClientStep(&client, what, with, text);
    std::string to_client = ServerStep(&server, what, with, text);
    status = server.Feed(client.TakeOutput());
    to_client += server.TakeOutput();
    const Status read = client.Feed(to_client);
    CRISP_REQUIRE(read.ok());
  }
}

}  // namespace crisp::spdy

namespace crisp::streaming {

CRISP_FUZZ(forward_stream) {
  const Result<spdy::Headers> headers = spdy::ParseHeaders(input, 100);
  if (!headers.ok()) return;
  for (const spdy::StreamId id : {spdy::StreamId{1}, spdy::StreamId{3}, spdy::kMaxStreamId}) {
    const auto stream = ParseForwardStream(id, *headers);
    if (!stream) continue;
    CRISP_REQUIRE(stream->port > 0);
    const auto request = headers->Find("requestid");
    CRISP_REQUIRE(request ? stream->request == *request : !stream->request.empty());
    // The connection's other stream is found by it.
    std::vector<spdy::Header> others = headers->all();
    for (spdy::Header& header : others) {
      if (header.name == "streamtype") header.values = {stream->is_error ? "data" : "error"};
    }
    const spdy::StreamId other_id = stream->is_error ? id + 2 : id < 2 ? id : id - 2;
    const auto other = ParseForwardStream(other_id, spdy::Headers(others));
    CRISP_REQUIRE(other && other->is_error != stream->is_error && other->port == stream->port);
    CRISP_REQUIRE(other->request == stream->request);
  }
}

}  // namespace crisp::streaming
