// Layers: archives, their extended headers, their names, and what they are compressed with.
#include <algorithm>
#include <thread>

#include "fuzz.h"
#include "image/pull/decompress.h"
#include "image/pull/layer_path.h"
#include "image/pull/pax.h"
#include "image/pull/tar_reader.h"

namespace crisp::image {
namespace {

// Gives the input in pieces of `piece` bytes.
class Source : public ByteStream {
 public:
  Source(std::string_view text, size_t piece) : text_(text), piece_(piece) {}
  Result<Bytes> Next() override {
    const std::string_view part = text_.substr(0, piece_);
    text_.remove_prefix(part.size());
    return Bytes(reinterpret_cast<const uint8_t*>(part.data()), part.size());
  }

 private:
  std::string_view text_;
  const size_t piece_;
};

void CheckPath(std::string_view text) {
  const Result<LayerPath> path = CleanLayerPath(text);
  if (!path.ok()) return;
  const std::string full = path->full();
  CRISP_REQUIRE(full.size() < 4096);
  CRISP_REQUIRE(full.find('\0') == std::string::npos);
  if (full.empty()) return;
  CRISP_REQUIRE(full.front() != '/' && full.back() != '/');
  CRISP_REQUIRE(!path->name.empty() && path->name.find('/') == std::string::npos);
  for (size_t at = 0; at != std::string::npos;) {
    const size_t end = full.find('/', at);
    const std::string part = full.substr(at, end == std::string::npos ? end : end - at);
    CRISP_REQUIRE(!part.empty() && part != "." && part != ".." && part.size() <= 255);
    at = end == std::string::npos ? end : end + 1;
  }
  const Result<LayerPath> again = CleanLayerPath(full);
  CRISP_REQUIRE(again.ok() && again->full() == full);
  const Result<Whiteout> whiteout = ParseWhiteout(path->name);
  if (!whiteout.ok() || whiteout->kind != WhiteoutKind::kFile) return;
  CRISP_REQUIRE(!whiteout->target.empty() && whiteout->target != "." && whiteout->target != "..");
  CRISP_REQUIRE(whiteout->target.find('/') == std::string::npos);
}

void CheckEntry(const TarEntry& entry) {
  CRISP_REQUIRE(entry.size >= 0);
  CRISP_REQUIRE((entry.mode & ~mode_t{07777}) == 0);
  CRISP_REQUIRE(entry.mtime_ns >= 0 && entry.mtime_ns < 1'000'000'000);
  CRISP_REQUIRE(entry.sparse || entry.segments.empty());
  int64_t end = 0;
  for (const TarSegment& segment : entry.segments) {
    CRISP_REQUIRE(segment.length >= 0 && segment.offset >= end);
    CRISP_REQUIRE(segment.length <= entry.size - segment.offset);
    end = segment.offset + segment.length;
  }
  CheckPath(entry.path);
  for (char c : PrintablePath(entry.path)) CRISP_REQUIRE(c >= ' ' && c < 127);
}

// Everything that a reader says about an archive, as one text.
std::string Describe(std::string_view input, size_t piece) {
  TarLimits limits;
  limits.max_header_bytes = 64 << 10;
  limits.max_entries = 1000;
  limits.max_sparse_segments = 1000;
  Source source(input, piece);
  TarReader reader(source, limits);
  std::string out;
  for (;;) {
    const Result<std::optional<TarEntry>> entry = reader.Next();
    if (!entry.ok()) return out + entry.status().ToString();
    if (!entry->has_value()) return out + "end";
    CheckEntry(**entry);
    out += Cat((*entry)->path, ' ', (*entry)->link, ' ', (*entry)->size, '\n');
    int64_t data = 0;
    for (const TarSegment& segment : (*entry)->segments) data += segment.length;
    if (!(*entry)->sparse) data = (*entry)->size;
    if (out.size() % 2 == 0) continue;  // skipped unread
    int64_t got = 0;
    for (;;) {
      const Result<Bytes> bytes = reader.ReadData();
      if (!bytes.ok()) return out + bytes.status().ToString();
      if (bytes->empty()) break;
      got += static_cast<int64_t>(bytes->size());
      out.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    }
    if ((*entry)->type == TarType::kFile) CRISP_REQUIRE(got == data);
  }
}

}  // namespace

CRISP_FUZZ(tar) {
  const std::string whole = Describe(input, std::max<size_t>(1, input.size()));
  CRISP_REQUIRE(Describe(input, 1 + input.size() % 700) == whole);
}

CRISP_FUZZ(pax) {
  const Result<PaxRecords> records = ParsePax(input);
  if (!records.ok()) {
    CRISP_REQUIRE(records.status().code() == Code::kDataLoss ||
                  records.status().code() == Code::kInvalidArgument ||
                  records.status().code() == Code::kResourceExhausted);
    return;
  }
  CRISP_REQUIRE(records->mtime_ns >= 0 && records->mtime_ns < 1'000'000'000);
  CRISP_REQUIRE(records->sparse_segments.size() <= input.size());
  for (const auto& [name, value] : records->xattrs) {
    CRISP_REQUIRE(!name.empty() && name.find('\0') == std::string::npos);
  }
}

CRISP_FUZZ(layer_path) {
  CheckPath(input);
  CRISP_REQUIRE(PrintablePath(input).size() <= 1000);
}

CRISP_FUZZ(decompress) {
  constexpr size_t kEnough = 4 << 20;
  const auto run = [&](size_t piece) {
    BufferRing ring(2, 64 << 10);
    std::thread worker([&] {
      Source source(input, piece);
      ring.Finish(Decompress(source, ring));
    });
    std::string out;
    Status status;
    for (;;) {
      const Result<Bytes> bytes = ring.Next();
      status = bytes.status();
      if (!bytes.ok() || bytes->empty()) break;
      out.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
      if (out.size() < kEnough) continue;
      ring.Abort();
      break;
    }
    worker.join();
    return std::make_pair(std::move(out), status.code());
  };
  const auto whole = run(std::max<size_t>(1, input.size()));
  // The first piece decides the format; BufferRing never gives less than four bytes there.
  const auto pieces = run(4 + input.size() % 100);
  CRISP_REQUIRE(whole.second == pieces.second);
  // How much comes before an error depends on the pieces.
  if (whole.second == Code::kOk) CRISP_REQUIRE(whole.first == pieces.first);
}

}  // namespace crisp::image
