// Names, documents and messages of the image room.
#include <sys/socket.h>

#include "fuzz.h"
#include "image/image_config.h"
#include "image/manifest.h"
#include "image/pull/artifact.h"
#include "image/pull/auth_challenge.h"
#include "image/pull/content_range.h"
#include "image/pull/registry_answer.h"
#include "image/puller_protocol.h"
#include "image/reference.h"

namespace crisp::image {
namespace {

// `read` and `write` undo each other on whatever was accepted.
template <typename Read, typename Write>
void RoundTrip(const Json& json, Read read, Write write) {
  const auto first = read(json);
  if (!first.ok()) return;
  const std::string text = DumpJson(write(*first));
  const Result<Json> parsed = ParseJson(text, "round trip");
  CRISP_REQUIRE(parsed.ok());
  const auto second = read(*parsed);
  CRISP_REQUIRE(second.ok());
  CRISP_REQUIRE(DumpJson(write(*second)) == text);
}

void CheckDescriptor(const Descriptor& descriptor) {
  CRISP_REQUIRE(descriptor.size_bytes >= 0);
  CRISP_REQUIRE(Digest::Parse(descriptor.digest.ToString()).ok());
}

// Names become paths.
void CheckArtifact(const Manifest& manifest) {
  const auto files = ArtifactFiles(manifest);
  if (!files.ok()) return;
  CRISP_REQUIRE(files->size() <= manifest.layers.size());
  for (const ArtifactFile& file : *files) {
    const std::string bounded = Cat('/', file.name, '/');
    for (const char* bad : {"//", "/./", "/../"}) {
      CRISP_REQUIRE(bounded.find(bad) == std::string::npos);
    }
    CRISP_REQUIRE(file.name.find('\0') == std::string::npos);
    CRISP_REQUIRE(file.diff_id.hex().size() == 64 && file.diff_id != file.blob.digest);
  }
}

}  // namespace

CRISP_FUZZ(reference) {
  (void)Reference::IsShortName(input);
  const Result<Reference> reference = Reference::Parse(input);
  if (!reference.ok()) {
    CRISP_REQUIRE(reference.status().code() == Code::kInvalidArgument);
    return;
  }
  CRISP_REQUIRE(!reference->domain().empty() && !reference->path().empty());
  CRISP_REQUIRE(reference->tag().empty() != reference->digest().empty());
  CRISP_REQUIRE(reference->path().find("..") == std::string::npos);
  CRISP_REQUIRE(reference->path().front() != '/' && reference->path().back() != '/');
  for (char c : reference->ToString()) CRISP_REQUIRE(c > ' ' && c < 127);
  const Result<Reference> again = Reference::Parse(reference->ToString());
  CRISP_REQUIRE(again.ok());
  CRISP_REQUIRE(again->ToString() == reference->ToString());
  CRISP_REQUIRE(again->domain() == reference->domain());
  if (!reference->digest().empty()) CRISP_REQUIRE(Digest::Parse(reference->digest()).ok());
}

CRISP_FUZZ(manifest) {
  for (std::string_view type : {"", "application/vnd.oci.image.index.v1+json",
                                "application/vnd.docker.distribution.manifest.v2+json"}) {
    const Result<ManifestOrIndex> document = ParseManifest(input, type);
    if (!document.ok()) continue;
    if (!document->is_index) {
      CheckDescriptor(document->manifest.config);
      CRISP_REQUIRE(document->manifest.layers.size() <= kMaxLayers);
      for (const Descriptor& layer : document->manifest.layers) CheckDescriptor(layer);
      CheckArtifact(document->manifest);
      continue;
    }
    CRISP_REQUIRE(document->entries.size() <= kMaxIndexEntries);
    for (const Descriptor& entry : document->entries) CheckDescriptor(entry);
    Platform platform;
    platform.os = "linux";
    platform.architecture = "amd64";
    const Result<Descriptor> chosen = ChooseManifest(document->entries, platform);
    CRISP_REQUIRE(chosen.ok() || chosen.status().code() == Code::kNotFound);
  }
}

CRISP_FUZZ(image_config) {
  const Result<ConfigDocument> document = ParseConfig(input);
  if (!document.ok()) return;
  CRISP_REQUIRE(document->diff_ids.size() <= kMaxLayers);
  for (const Digest& id : document->diff_ids) {
    CRISP_REQUIRE(id.algorithm() == "sha256" && id.hex().size() == 64);
  }
  RoundTrip(ConfigToJson(document->config), ConfigFromJson, ConfigToJson);
}

CRISP_FUZZ(auth_challenge) {
  for (const AuthChallenge& challenge : ParseChallenges(input)) {
    CRISP_REQUIRE(!challenge.scheme.empty());
    for (char c : challenge.scheme) CRISP_REQUIRE(c < 'A' || c > 'Z');
    for (const auto& [name, value] : challenge.params) {
      CRISP_REQUIRE(!name.empty());
      CRISP_REQUIRE(challenge.Param(name) == value);
    }
  }
}

// The words of a registry, which end up in messages and logs.
CRISP_FUZZ(registry_error) {
  const std::string detail = ErrorDetail(input);
  CRISP_REQUIRE(detail.empty() || (detail.starts_with(": ") && detail.size() > 4));
  CRISP_REQUIRE(detail.size() < 2000);
  for (char c : detail) CRISP_REQUIRE(c >= ' ' && c < 127);
}

CRISP_FUZZ(token_answer) {
  const Result<std::string> token = ParseTokenAnswer(input);
  if (!token.ok()) {
    CRISP_REQUIRE(token.status().code() == Code::kInvalidArgument);
    // Nothing of the answer is in it.
    CRISP_REQUIRE(!token.status().message().empty() && token.status().message().size() < 80);
    return;
  }
  CRISP_REQUIRE(!token->empty() && token->size() <= input.size());
  for (char c : *token) CRISP_REQUIRE(c > ' ' && c < 127);
  Json answer;
  answer["access_token"] = *token;
  const Result<std::string> again = ParseTokenAnswer(DumpJson(answer));
  CRISP_REQUIRE(again.ok() || token->size() + 20 > kMaxTokenBytes / 2);  // quotes are escaped
  if (again.ok()) CRISP_REQUIRE(*again == *token);
}

CRISP_FUZZ(retry_after) {
  constexpr time_t kNow = 1764000000;  // Mon, 24 Nov 2025 16:00:00 GMT
  const std::string text(input);
  const Duration after = ParseRetryAfter(text, kNow);
  CRISP_REQUIRE(after >= Duration::zero() && after < std::chrono::seconds(1000000000));
  const bool seconds = text.find_first_not_of("0123456789") == std::string::npos;
  CRISP_REQUIRE(seconds || after <= std::chrono::hours(24));
  // A date comes nearer, seconds do not.
  const Duration later = ParseRetryAfter(text, kNow + 60);
  CRISP_REQUIRE(seconds ? later == after : later <= after);
}

CRISP_FUZZ(content_range) {
  const auto range = ParseContentRange(std::string(input));
  if (!range.ok()) return;
  CRISP_REQUIRE(range->first >= 0 && range->first <= range->last);
  CRISP_REQUIRE(range->total == -1 || range->last < range->total);
}

CRISP_FUZZ(puller_message) {
  const Result<Json> json = ParseJson(input, "message");
  if (!json.ok()) return;
  const auto write = [](const auto& value) { return ToJson(value); };
  RoundTrip(*json, PullerRequestFromJson, write);
  RoundTrip(*json, LayerReportFromJson, write);
  RoundTrip(*json, LayerAnswerFromJson, write);
  RoundTrip(*json, ImageReportFromJson, write);
  RoundTrip(*json, CheckedLayerFromJson, write);
  const Status error = ErrorFromJson(*json);
  CRISP_REQUIRE(!error.ok());
  const Status again = ErrorFromJson(ErrorToJson(error));
  CRISP_REQUIRE(again.code() == error.code());
}

// The length of a frame, and what follows it.
CRISP_FUZZ(puller_frames) {
  int fds[2];
  CRISP_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  UniqueFd far(fds[0]);
  FrameSocket near{UniqueFd(fds[1])};
  // More than a socket buffer holds would block.
  input = input.substr(0, 16 << 10);
  CRISP_REQUIRE(::send(far.get(), input.data(), input.size(), 0) ==
                static_cast<ssize_t>(input.size()));
  far.Reset();
  for (size_t frames = 0;; ++frames) {
    const Result<std::optional<Json>> frame = near.Receive();
    if (!frame.ok() || !frame->has_value()) break;
    CRISP_REQUIRE(frames * 5 < input.size());
  }
}

}  // namespace crisp::image
