#include "image/pull/blob_transfer.h"

#include <algorithm>

#include "image/pull/content_range.h"
#include "image/pull/flow_meter.h"
#include "image/pull/ordered_pieces.h"

namespace crisp::image {
namespace {

// A request for each piece costs one or two round trips, in which its connection brings nothing:
// pieces are as large as the memory for them allows.
constexpr int64_t kMostPieceBytes = 4 << 20;
constexpr int64_t kAheadBytes = 4 << 20;

// OrderedPieces keeps half a piece for each connection beyond the first, and less than one for the
// head.
int64_t PieceBytes(int connections) {
  return std::min(kMostPieceBytes, 2 * kAheadBytes / (connections - 1));
}

// RFC 9110 section 14.3.
bool KnowsRanges(const HttpResponse& response) {
  return response.status == 206 || response.Header("accept-ranges") == "bytes";
}

// Worth another try, as a connection that broke off.
Status EndedEarly(const RegistryEndpoint& endpoint, int64_t at) {
  return Status(Code::kUnavailable, Cat(endpoint.url(), ": the answer ended early, at byte ", at),
                ECONNRESET);
}

}  // namespace

struct BlobTransfer::Answer {
  bool begun = false;
  int64_t skip = 0;  // known already
  bool knows_ranges = false;
  bool partial = false;
  FlowMeter meter;
};

BlobTransfer::BlobTransfer(const EndpointList& endpoints, const Options& options,
                           const Descriptor& blob, BlobSources* sources, const ByteSink& sink,
                           const StopFlag& stop)
    : endpoints_(endpoints),
      options_(options),
      blob_(blob),
      sources_(sources),
      sink_(sink),
      stop_(stop) {
  clients_.push_back(std::make_unique<HttpClient>(options.stall_seconds));
}

Status BlobTransfer::Run() {
  for (;;) {
    in_pieces_ = nullptr;
    Status status = Stream();
    if (in_pieces_ == nullptr) {
      if (status.ok() || pieces_failure_.ok()) return status;
      return Status(status.code(),
                    Cat(status.message(), "; before, in pieces: ", pieces_failure_.message()),
                    status.sys_errno());
    }
    status = FetchInPieces(*in_pieces_);
    licence_.unlock();
    if (status.ok() || !sink_failure_.ok() || stop_.IsSet()) return status;
    in_pieces_->SetWithoutPieces();
    pieces_failure_ = std::move(status);
  }
}

Status BlobTransfer::Stream() {
  EndpointList::Course course;
  course.stop = &stop_;
  course.progress = &received_;
  course.sources = sources_;
  return endpoints_.OnSome(course,
                           [this](RegistryEndpoint& endpoint) { return StreamFrom(endpoint); });
}

Status BlobTransfer::StreamFrom(RegistryEndpoint& endpoint) {
  if (!sink_failure_.ok()) return sink_failure_;  // no other endpoint changes that
  if (received_ > 0 && received_ == blob_.size_bytes) return OkStatus();
  Answer answer;
  HttpRequest request;
  request.range_from = received_;
  request.stop = &stop_;
  request.sink = [&](const HttpResponse& response, Bytes bytes) -> Status {
    const MonoTime arrived = MonoNow();
    if (!answer.begun) CRISP_RETURN_IF_ERROR(Begin(endpoint, response, &answer));
    CRISP_RETURN_IF_ERROR(Receive(&answer, bytes));
    const auto n = static_cast<int64_t>(bytes.size());
    if (!answer.meter.Add(arrived, MonoNow(), n) || !MayUsePieces(endpoint, answer)) {
      return OkStatus();
    }
    in_pieces_ = &endpoint;
    return Cancelled("goes on in pieces");
  };
  CRISP_RETURN_IF_ERROR(endpoint.Perform(*clients_[0], path(), std::move(request)).status());
  if (!answer.begun && received_ < blob_.size_bytes) {
    return DataLoss(endpoint.url(), ": the answer is empty; the blob's descriptor says ",
                    blob_.size_bytes, " bytes");
  }
  if (answer.partial && received_ < blob_.size_bytes) return EndedEarly(endpoint, received_);
  return OkStatus();
}

Status BlobTransfer::Begin(RegistryEndpoint& endpoint, const HttpResponse& response,
                           Answer* answer) const {
  answer->begun = true;
  answer->knows_ranges = KnowsRanges(response);
  answer->partial = response.status == 206;
  // Servers that ignore Range begin anew: what is known already is passed over.
  answer->skip = answer->partial ? 0 : received_;
  // What cannot be read does not count: the digest will tell.
  const auto range = ParseContentRange(response.Header("content-range"));
  if (answer->partial && range.ok()) {
    if (range->first != received_) {
      return DataLoss(endpoint.url(), ": asked for bytes from ", received_, ", got them from ",
                      range->first);
    }
    if (range->total >= 0 && range->total != blob_.size_bytes) {
      return DataLoss(endpoint.url(), ": the blob has ", range->total,
                      " bytes; its descriptor says ", blob_.size_bytes);
    }
  }
  sources_->used.insert(&endpoint);
  return OkStatus();
}

Status BlobTransfer::Receive(Answer* answer, Bytes bytes) {
  const auto known = std::min(answer->skip, static_cast<int64_t>(bytes.size()));
  answer->skip -= known;
  bytes = bytes.subspan(static_cast<size_t>(known));
  received_ += static_cast<int64_t>(bytes.size());
  return bytes.empty() ? OkStatus() : Deliver(bytes);
}

Status BlobTransfer::Deliver(Bytes bytes) {
  sink_failure_ = sink_(bytes);
  return sink_failure_;
}

// If so, it takes the licence.
bool BlobTransfer::MayUsePieces(const RegistryEndpoint& endpoint, const Answer& answer) {
  if (options_.connections < 2 || !answer.knows_ranges || answer.skip > 0) return false;
  if (blob_.size_bytes - received_ < kLeastBytes) return false;
  if (sources_->no_pieces || !endpoint.gives_pieces()) return false;
  licence_ = std::unique_lock(*options_.licence, std::try_to_lock);
  return licence_.owns_lock();
}

Status BlobTransfer::FetchInPieces(RegistryEndpoint& endpoint) {
  OrderedPieces::Stretch stretch;
  stretch.begin = received_;
  stretch.end = blob_.size_bytes;
  stretch.connections = options_.connections;
  stretch.piece_bytes = PieceBytes(options_.connections);
  while (clients_.size() < static_cast<size_t>(options_.connections)) {
    clients_.push_back(std::make_unique<HttpClient>(options_.stall_seconds));
  }
  OrderedPieces pieces(stretch, [&](int connection, int64_t begin, int64_t end,
                                    const ByteSink& sink, const StopFlag& stop) {
    return FetchPiece(endpoint, *clients_[static_cast<size_t>(connection)], begin, end, sink, stop);
  });
  Status status = pieces.Run([this](Bytes bytes) { return Deliver(bytes); }, stop_);
  if (pieces.position() > received_) sources_->in_pieces = true;
  received_ = pieces.position();
  clients_.resize(1);
  return status;
}

Status BlobTransfer::FetchPiece(RegistryEndpoint& endpoint, HttpClient& client, int64_t begin,
                                int64_t end, const ByteSink& sink, const StopFlag& stop) const {
  int64_t at = begin;
  EndpointList::Course course;
  course.stop = &stop;
  course.progress = &at;
  return endpoints_.WithRetries(endpoint, course, [&](RegistryEndpoint&) -> Status {
    if (at == end) return OkStatus();
    int64_t answer_end = -1;
    HttpRequest request;
    request.range_from = at;
    request.range_to = end - 1;
    request.stop = &stop;
    request.sink = [&](const HttpResponse& response, Bytes bytes) -> Status {
      if (answer_end < 0) {
        if (response.status != 206) return DataLoss(endpoint.url(), ": does not know ranges");
        const ContentRange range =
            CRISP_TRY(ParseContentRange(response.Header("content-range")).Wrap(endpoint.url()));
        const bool other_blob = range.total >= 0 && range.total != blob_.size_bytes;
        if (range.first != at || range.last >= end || other_blob) {
          return DataLoss(endpoint.url(), ": sent another range than it was asked for");
        }
        // It may be less than was asked for (RFC 9110 section 15.3.7).
        answer_end = range.last + 1;
      }
      if (static_cast<int64_t>(bytes.size()) > answer_end - at) {
        return DataLoss(endpoint.url(), ": sent more than its Content-Range says");
      }
      at += static_cast<int64_t>(bytes.size());
      return sink(bytes);
    };
    CRISP_RETURN_IF_ERROR(endpoint.Perform(client, path(), std::move(request)).status());
    return at == end ? OkStatus() : EndedEarly(endpoint, at);
  });
}

}  // namespace crisp::image
