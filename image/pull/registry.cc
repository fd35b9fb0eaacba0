#include "image/pull/registry.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "image/pull/hasher.h"

namespace crisp::image {
namespace {

constexpr int kAttempts = 4;
constexpr auto kFirstPause = std::chrono::milliseconds(200);

bool WorthAnotherTry(const Status& status) {
  return status.sys_errno() == EAGAIN || status.sys_errno() == ECONNRESET;
}

bool Pause(std::chrono::milliseconds length, const std::atomic<bool>* stop) {
  constexpr auto kStep = std::chrono::milliseconds(50);
  for (; length.count() > 0; length -= kStep) {
    if (stop != nullptr && stop->load()) return false;
    std::this_thread::sleep_for(kStep);
  }
  return true;
}

}  // namespace

Registry::Registry(const PullerRequest& request, const Reference& reference)
    : reference_(reference), stall_seconds_(request.stall_seconds), client_(request.stall_seconds) {
  for (const PullerEndpoint& endpoint : request.endpoints) {
    endpoints_.push_back(
        std::make_unique<RegistryEndpoint>(endpoint, request.auth, reference.path()));
  }
}

Status Registry::OnSomeEndpoint(const std::atomic<bool>* stop, const Attempt& attempt) {
  Status failure = Unavailable("no registry is configured for ", reference_.domain());
  std::string mirrors;
  for (const auto& endpoint : endpoints_) {
    for (int i = 0;; ++i) {
      failure = attempt(*endpoint);
      if (failure.ok() || failure.code() == Code::kCancelled) return failure;
      if (!WorthAnotherTry(failure) || i + 1 == kAttempts) break;
      if (!Pause(kFirstPause * (1 << i), stop)) return Cancelled("the transfer was stopped");
    }
    if (endpoint != endpoints_.back()) mirrors += Cat("; mirror: ", failure.message());
  }
  return Status(failure.code(), failure.message() + mirrors, failure.sys_errno());
}

Result<FetchedManifest> Registry::FetchManifest(const std::string& tag_or_digest) {
  FetchedManifest out;
  const auto expected = Digest::Parse(tag_or_digest);
  const Status status = OnSomeEndpoint(nullptr, [&](RegistryEndpoint& endpoint) -> Status {
    HttpRequest request;
    request.headers = {Cat("Accept: ", AcceptedManifestTypes())};
    request.body_limit_bytes = kMaxManifestBytes;
    HttpResponse response = CRISP_TRY(endpoint.Perform(
        client_, Cat("/v2/", reference_.path(), "/manifests/", tag_or_digest), std::move(request)));
    out.bytes = std::move(response.body);
    out.media_type = response.Header("content-type");
    if (expected.ok()) {
      out.digest = *expected;
      return VerifyDigest(out.bytes, *expected).Wrap(endpoint.url());
    }
    out.digest = CRISP_TRY(DigestOf(out.bytes));
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
  const Status status = OnSomeEndpoint(nullptr, [&](RegistryEndpoint& endpoint) -> Status {
    HttpRequest request;
    request.body_limit_bytes = limit_bytes;
    HttpResponse response = CRISP_TRY(
        endpoint.Perform(client_, Cat("/v2/", reference_.path(), "/blobs/", blob.digest.ToString()),
                         std::move(request)));
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

Status Registry::StreamBlob(const Descriptor& blob, const ByteSink& sink,
                            const std::atomic<bool>& stop) {
  HttpClient client(stall_seconds_);
  int64_t received = 0;
  Status sink_failure;
  return OnSomeEndpoint(&stop, [&](RegistryEndpoint& endpoint) -> Status {
    if (!sink_failure.ok()) return sink_failure;  // no other endpoint changes that
    if (received > 0 && received == blob.size_bytes) return OkStatus();
    // Servers that ignore Range begin anew: what is known already is passed over.
    int64_t skip = 0;
    bool begun = false;
    HttpRequest request;
    request.range_from = received;
    request.stop = &stop;
    request.sink = [&](const HttpResponse& answer, Bytes bytes) -> Status {
      if (!std::exchange(begun, true)) skip = answer.status == 206 ? 0 : received;
      const size_t known =
          static_cast<size_t>(std::min<int64_t>(skip, static_cast<int64_t>(bytes.size())));
      skip -= static_cast<int64_t>(known);
      bytes = bytes.subspan(known);
      received += static_cast<int64_t>(bytes.size());
      if (!bytes.empty()) sink_failure = sink(bytes);
      return sink_failure;
    };
    auto response =
        endpoint.Perform(client, Cat("/v2/", reference_.path(), "/blobs/", blob.digest.ToString()),
                         std::move(request));
    return response.ok() ? OkStatus() : std::move(response).status();
  });
}

}  // namespace crisp::image
