// BlobTransfer: one blob from its repository into a sink.
//
//   one stream ──the network is too slow for one──> pieces ──all there──> done
//        │  ^                                          │
//        │  └──────a piece fails: on from there────────┘
//        └──end──> done
//
// What:    a plain GET, which goes on by Range where it broke. When an endpoint says that it knows
//          ranges ("Accept-Ranges: bytes"), much is still to come and the FlowMeter finds that the
//          receiver mostly waits for the network, the stream is given up for pieces over several
//          connections (ordered_pieces.h), to that endpoint alone. Whatever goes wrong with them
//          ends them, for that endpoint's other blobs too; what is right and what the error is, the
//          one stream finds out.
// Contract: distribution-spec "Pulling blobs"; RFC 9110 section 14 "Range Requests". A piece counts
//          only as 206 with the Content-Range that was asked for. The caller verifies the bytes.
// Limits:  one blob of a process has pieces at a time (PieceLicence), so that neither memory (about
//          8 MiB) nor the number of connections grows with the layers. It is that blob's also while
//          its unpacker waits for other layers.
// Threads: one owner; makes one for each connection while there are pieces.
// Errors:  as EndpointList; the sink's own; kCancelled by `stop`. kDataLoss for an answer that is
//          another part of the blob than was asked for, or of a blob of another size.
#ifndef CRISP_IMAGE_PULL_BLOB_TRANSFER_H_
#define CRISP_IMAGE_PULL_BLOB_TRANSFER_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/manifest.h"
#include "image/pull/endpoint_list.h"

namespace crisp::image {

// Who holds it may fetch in pieces.
using PieceLicence = std::mutex;

class BlobTransfer {
 public:
  // What is left of a blob must be so much for pieces to be worth their connections.
  static constexpr int64_t kLeastBytes = 24 << 20;

  struct Options {
    int stall_seconds = 60;
    int connections = 1;              // at most; 1: no pieces
    PieceLicence* licence = nullptr;  // of the process; required
  };

  BlobTransfer(const EndpointList& endpoints, const Options& options, const Descriptor& blob,
               BlobSources* sources, const ByteSink& sink, const StopFlag& stop);

  // Once.
  Status Run();

 private:
  struct Answer;  // of one request of the stream

  Status Stream();
  Status StreamFrom(RegistryEndpoint& endpoint);
  Status Begin(RegistryEndpoint& endpoint, const HttpResponse& response, Answer* answer) const;
  Status Receive(Answer* answer, Bytes bytes);
  bool MayUsePieces(const RegistryEndpoint& endpoint, const Answer& answer);
  Status FetchInPieces(RegistryEndpoint& endpoint);
  Status FetchPiece(RegistryEndpoint& endpoint, HttpClient& client, int64_t begin, int64_t end,
                    const ByteSink& sink, const StopFlag& stop) const;
  Status Deliver(Bytes bytes);
  std::string path() const { return Cat("/blobs/", blob_.digest.ToString()); }

  const EndpointList& endpoints_;
  const Options options_;
  const Descriptor& blob_;
  BlobSources* const sources_;
  const ByteSink& sink_;
  const StopFlag& stop_;

  std::vector<std::unique_ptr<HttpClient>> clients_;  // the first one is the stream's
  int64_t received_ = 0;                              // and delivered
  Status sink_failure_;
  std::unique_lock<PieceLicence> licence_;
  RegistryEndpoint* in_pieces_ = nullptr;  // goes on there
  Status pieces_failure_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_BLOB_TRANSFER_H_
