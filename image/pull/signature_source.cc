#include "image/pull/signature_source.h"

#include "base/base64.h"
#include "base/core/file.h"
#include "image/policy/signed_claim.h"

namespace crisp::image {
namespace {

constexpr std::string_view kFileScheme = "file://";
constexpr std::string_view kPayloadType = "application/vnd.dev.cosign.simplesigning.v1+json";
constexpr const char* kSignatureAnnotation = "dev.cosignproject.cosign/signature";

}  // namespace

Result<std::string> SignatureSource::FetchLookaside(const std::string& path) {
  std::string base = demand_.lookaside;
  while (base.ends_with('/')) base.pop_back();
  const std::string address = Cat(base, '/', path);
  if (address.starts_with(kFileScheme)) {
    return ReadFile(address.substr(kFileScheme.size()), kMaxSignatureBytes);
  }
  HttpRequest request;
  request.url = address;
  request.body_limit_bytes = kMaxSignatureBytes;
  HttpResponse response = CRISP_TRY(client_.Perform(std::move(request)));
  if (response.status == 404) return NotFound(PrintableUrl(address), ": HTTP 404");
  if (response.status < 200 || response.status >= 300) {
    return Unavailable(PrintableUrl(address), ": HTTP ", response.status);
  }
  return std::move(response.body);
}

Result<std::vector<std::string>> SignatureSource::SimpleSignatures(const Digest& manifest) {
  std::vector<std::string> out;
  if (demand_.lookaside.empty()) return out;
  for (size_t n = 1; n <= kMaxSignatures; ++n) {
    auto one = FetchLookaside(
        Cat(image_.path(), '@', manifest.algorithm(), '=', manifest.hex(), "/signature-", n));
    if (!one.ok()) {
      if (one.status().code() == Code::kNotFound) break;
      return std::move(one).status().Wrap("lookaside");
    }
    // Other formats begin with NUL and a name; OpenPGP packets do not.
    if (!one->starts_with('\0')) out.push_back(std::move(*one));
  }
  return out;
}

Result<std::vector<SigstoreSignature>> SignatureSource::SigstoreSignatures(const Digest& manifest) {
  std::vector<SigstoreSignature> out;
  if (!demand_.attachments) return out;
  const auto fetched =
      registry_.FetchAttachment(Cat(manifest.algorithm(), '-', manifest.hex(), ".sig"));
  if (!fetched.ok()) {
    if (fetched.status().code() == Code::kNotFound) return out;
    return Status(fetched.status()).Wrap("sigstore signatures");
  }
  const ManifestOrIndex parsed =
      CRISP_TRY(ParseManifest(fetched->bytes, fetched->media_type).Wrap("sigstore signatures"));
  for (const Descriptor& layer : parsed.manifest.layers) {
    const auto annotation = layer.annotations.find(kSignatureAnnotation);
    if (layer.media_type != kPayloadType || annotation == layer.annotations.end()) continue;
    auto signature = DecodeWrappedBase64(annotation->second);
    if (!signature || out.size() == kMaxSignatures) continue;
    out.push_back({CRISP_TRY(registry_.FetchBlob(layer, kMaxClaimBytes).Wrap("sigstore payload")),
                   *std::move(signature)});
  }
  return out;
}

}  // namespace crisp::image
