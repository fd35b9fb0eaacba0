#include "image/pull/registry.h"

#include <algorithm>

#include "image/pull/hasher.h"

namespace crisp::image {
namespace {

constexpr int kMostConnections = 8;

}  // namespace

Registry::Registry(const PullerRequest& request, const Reference& reference)
    : endpoints_(request.endpoints, reference.domain()), client_(request.stall_seconds) {
  transfer_.stall_seconds = request.stall_seconds;
  transfer_.connections = std::clamp(request.parallel_ranges, 1, kMostConnections);
  transfer_.licence = &piece_licence_;
}

bool Registry::ExcludeUsed(BlobSources* sources) const {
  // A cache may have wrong parts of what it has right as a whole.
  if (std::exchange(sources->in_pieces, false)) {
    sources->no_pieces = true;
    sources->used.clear();
    return true;
  }
  if (sources->used.empty()) return false;  // nobody sent anything, and all have been asked
  sources->excluded.merge(sources->used);
  sources->used.clear();
  EndpointList::Course course;
  course.sources = sources;
  return !endpoints_.Order(course).empty();
}

Result<FetchedManifest> Registry::FetchManifest(const std::string& tag_or_digest) {
  return FetchManifestFrom(tag_or_digest, !Digest::Parse(tag_or_digest).ok());
}

Result<FetchedManifest> Registry::FetchAttachment(const std::string& tag) {
  return FetchManifestFrom(tag, false);
}

Result<FetchedManifest> Registry::FetchManifestFrom(const std::string& tag_or_digest,
                                                    bool resolve) {
  FetchedManifest out;
  const auto expected = Digest::Parse(tag_or_digest);
  EndpointList::Course course;
  course.resolve = resolve;
  const Status status = endpoints_.OnSome(course, [&](RegistryEndpoint& endpoint) -> Status {
    HttpRequest request;
    request.headers = {Cat("Accept: ", AcceptedManifestTypes())};
    request.body_limit_bytes = kMaxManifestBytes;
    HttpResponse response =
        CRISP_TRY(endpoint.Perform(client_, Cat("/manifests/", tag_or_digest), std::move(request)));
    out.bytes = std::move(response.body);
    out.media_type = response.Header("content-type");
    if (expected.ok()) {
      out.digest = *expected;
      return VerifyDigest(out.bytes, *expected).Wrap(endpoint.url());
    }
    out.digest = CRISP_TRY(DigestOf(out.bytes));
    // What is no manifest must not keep the next endpoint from being asked.
    CRISP_RETURN_IF_ERROR(ParseManifest(out.bytes, out.media_type).status().Wrap(endpoint.url()));
    const auto claimed = Digest::Parse(response.Header("docker-content-digest"));
    if (!claimed.ok()) return OkStatus();
    return VerifyDigest(out.bytes, *claimed).Wrap(endpoint.url(), ": Docker-Content-Digest");
  });
  CRISP_RETURN_IF_ERROR(Status(status).Wrap("manifest ", tag_or_digest));
  return out;
}

Result<std::string> Registry::FetchBlob(const Descriptor& blob, size_t limit_bytes) {
  if (blob.size_bytes > static_cast<int64_t>(limit_bytes)) {
    return ResourceExhausted("blob ", blob.digest.ToString(), ": ", blob.size_bytes,
                             " bytes; at most ", limit_bytes, " are allowed");
  }
  std::string out;
  const Status status = endpoints_.OnSome({}, [&](RegistryEndpoint& endpoint) -> Status {
    HttpRequest request;
    request.body_limit_bytes = limit_bytes;
    HttpResponse response = CRISP_TRY(
        endpoint.Perform(client_, Cat("/blobs/", blob.digest.ToString()), std::move(request)));
    if (static_cast<int64_t>(response.body.size()) != blob.size_bytes) {
      return DataLoss(endpoint.url(), ": the blob has ", response.body.size(),
                      " bytes; its descriptor says ", blob.size_bytes);
    }
    CRISP_RETURN_IF_ERROR(VerifyDigest(response.body, blob.digest).Wrap(endpoint.url()));
    out = std::move(response.body);
    return OkStatus();
  });
  CRISP_RETURN_IF_ERROR(Status(status).Wrap("blob ", blob.digest.ToString()));
  return out;
}

Status Registry::StreamBlob(const Descriptor& blob, BlobSources* sources, const ByteSink& sink,
                            const StopFlag& stop) {
  return BlobTransfer(endpoints_, transfer_, blob, sources, sink, stop).Run();
}

}  // namespace crisp::image
