#include "image/pull/registry.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

#include "image/pull/hasher.h"

namespace crisp::image {
namespace {

constexpr int kAttempts = 4;
constexpr auto kFirstPause = std::chrono::milliseconds(200);

// What makes an attempt not count. Less than that each time is an attack.
constexpr int64_t kProgressBytes = 1 << 20;
// Longer waits are the caller's: the kubelet has a back-off of its own.
constexpr auto kLongestPause = std::chrono::minutes(2);

bool WorthAnotherTry(const Status& status) {
  return status.sys_errno() == EAGAIN || status.sys_errno() == ECONNRESET;
}

bool Pause(Duration length, const StopFlag* stop) {
  constexpr auto kStep = std::chrono::milliseconds(50);
  const MonoTime end = MonoNow() + length;
  while (MonoNow() < end) {
    if (stop != nullptr && stop->IsSet()) return false;
    std::this_thread::sleep_for(std::min<Duration>(kStep, end - MonoNow()));
  }
  return true;
}

// "bytes 100-..." of a 206 answer (RFC 9110 section 14.4); -1 when it does not say.
int64_t RangeStart(const HttpResponse& answer) {
  const std::string text = answer.Header("content-range");
  int64_t out = -1;
  if (text.starts_with("bytes ")) std::from_chars(text.data() + 6, text.data() + text.size(), out);
  return out;
}

}  // namespace

Registry::Registry(const PullerRequest& request, const Reference& reference)
    : reference_(reference), stall_seconds_(request.stall_seconds), client_(request.stall_seconds) {
  for (const PullerEndpoint& endpoint : request.endpoints) {
    endpoints_.push_back(std::make_unique<RegistryEndpoint>(endpoint));
  }
}

// Those that cannot be reached last: each request to them would wait for the connection.
std::vector<RegistryEndpoint*> Registry::Order(const Course& course) const {
  std::vector<RegistryEndpoint*> out;
  for (const bool unreachable : {false, true}) {
    for (const auto& endpoint : endpoints_) {
      if (!(course.resolve ? endpoint->resolves() : endpoint->pulls())) continue;
      if (course.sources != nullptr && course.sources->excluded.contains(endpoint.get())) continue;
      if (endpoint->unreachable() == unreachable) out.push_back(endpoint.get());
    }
  }
  return out;
}

bool Registry::ExcludeUsed(BlobSources* sources) const {
  sources->excluded.merge(sources->used);
  sources->used.clear();
  Course course;
  course.sources = sources;
  return !Order(course).empty();
}

Status Registry::WithRetries(RegistryEndpoint& endpoint, const Course& course,
                             const Attempt& attempt) {
  const auto received = [&] { return course.progress != nullptr ? *course.progress : 0; };
  int64_t counted = received();
  for (int i = 0;; ++i) {
    const int64_t before = received();
    Status failure = attempt(endpoint);
    if (failure.ok() || failure.code() == Code::kCancelled) return failure;
    if (failure.sys_errno() == ECONNREFUSED) endpoint.SetUnreachable();
    if (received() - counted >= kProgressBytes) {
      counted = received();
      i = 0;
    }
    const bool stalled = received() > before && failure.sys_errno() == ETIMEDOUT;
    const bool again = stalled || WorthAnotherTry(failure);
    if (!again || i + 1 == kAttempts) return failure;
    const Duration asked = endpoint.TakeRetryAfter();
    if (asked > kLongestPause) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(asked).count();
      return std::move(failure).Wrap("asks to come back in ", seconds, " s");
    }
    if (!Pause(std::max<Duration>(asked, kFirstPause * (1 << i)), course.stop)) {
      return Cancelled("the transfer was stopped");
    }
  }
}

Status Registry::OnSomeEndpoint(const Course& course, const Attempt& attempt) {
  Status failure = Unavailable("no registry is configured for ", reference_.domain());
  std::string mirrors;
  const std::vector<RegistryEndpoint*> order = Order(course);
  for (RegistryEndpoint* endpoint : order) {
    failure = WithRetries(*endpoint, course, attempt);
    if (failure.ok() || failure.code() == Code::kCancelled) return failure;
    if (endpoint != order.back()) mirrors += Cat("; mirror: ", failure.message());
  }
  return Status(failure.code(), failure.message() + mirrors, failure.sys_errno());
}

Result<FetchedManifest> Registry::FetchManifest(const std::string& tag_or_digest) {
  FetchedManifest out;
  const auto expected = Digest::Parse(tag_or_digest);
  Course course;
  course.resolve = !expected.ok();
  const Status status = OnSomeEndpoint(course, [&](RegistryEndpoint& endpoint) -> Status {
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
  const Status status = OnSomeEndpoint({}, [&](RegistryEndpoint& endpoint) -> Status {
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
  HttpClient client(stall_seconds_);
  int64_t received = 0;
  Status sink_failure;
  Course course;
  course.stop = &stop;
  course.progress = &received;
  course.sources = sources;
  return OnSomeEndpoint(course, [&](RegistryEndpoint& endpoint) -> Status {
    if (!sink_failure.ok()) return sink_failure;  // no other endpoint changes that
    if (received > 0 && received == blob.size_bytes) return OkStatus();
    // Servers that ignore Range begin anew: what is known already is passed over.
    int64_t skip = 0;
    bool begun = false;
    HttpRequest request;
    request.range_from = received;
    request.stop = &stop;
    request.sink = [&](const HttpResponse& answer, Bytes bytes) -> Status {
      if (!std::exchange(begun, true)) {
        skip = answer.status == 206 ? 0 : received;
        const int64_t start = answer.status == 206 ? RangeStart(answer) : -1;
        if (start >= 0 && start != received) {
          return DataLoss(endpoint.url(), ": asked for bytes from ", received, ", got them from ",
                          start);
        }
        sources->used.insert(&endpoint);
      }
      const size_t known =
          static_cast<size_t>(std::min<int64_t>(skip, static_cast<int64_t>(bytes.size())));
      skip -= static_cast<int64_t>(known);
      bytes = bytes.subspan(known);
      received += static_cast<int64_t>(bytes.size());
      if (!bytes.empty()) sink_failure = sink(bytes);
      return sink_failure;
    };
    auto response =
        endpoint.Perform(client, Cat("/blobs/", blob.digest.ToString()), std::move(request));
    return response.ok() ? OkStatus() : std::move(response).status();
  });
}

}  // namespace crisp::image
