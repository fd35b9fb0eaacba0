#include "image/pull/signature_check.h"

#include <algorithm>
#include <map>

#include "image/policy/signed_claim.h"
#include "image/pull/gpg_signature.h"
#include "image/pull/layer_path.h"
#include "image/pull/public_key.h"
#include "image/pull/signature_source.h"

namespace crisp::image {
namespace {

using Type = PolicyRequirement::Type;

class SignatureCheck {
 public:
  SignatureCheck(const PullerRequest& request, const Reference& image,
                 const std::vector<Digest>& manifests, Registry& registry)
      : request_(request),
        image_(image),
        manifests_(manifests),
        source_(request.signatures, image, registry, request.stall_seconds) {}

  Status Meet(const PolicyRequirement& requirement) {
    return requirement.type == Type::kGpg ? MeetGpg(requirement) : MeetSigstore(requirement);
  }

 private:
  Status MeetGpg(const PolicyRequirement& requirement);
  Status MeetSigstore(const PolicyRequirement& requirement);
  Status CheckClaim(const PolicyRequirement& requirement, const std::string& text,
                    SignedClaim::Kind kind, const Digest& manifest) const;
  // Why no signature did; `reasons` is empty when there was none.
  Status NotMet(std::string_view kind, const std::vector<std::string>& reasons) const;

  const PullerRequest& request_;
  const Reference& image_;
  const std::vector<Digest>& manifests_;
  SignatureSource source_;
};

Status SignatureCheck::CheckClaim(const PolicyRequirement& requirement, const std::string& text,
                                  SignedClaim::Kind kind, const Digest& manifest) const {
  const SignedClaim claim = CRISP_TRY(SignedClaim::Parse(text, kind));
  if (claim.manifest != manifest) {
    return Status(Code::kPermissionDenied,
                  Cat("the signature is for the manifest ", claim.manifest.ToString()));
  }
  return requirement.identity.Check(image_, claim.name);
}

Status SignatureCheck::NotMet(std::string_view kind,
                              const std::vector<std::string>& reasons) const {
  const std::string what = Cat(request_.signatures.origin, ": ", kind, ": ");
  if (reasons.empty()) {
    std::string where;
    if (kind == "signedBy" && request_.signatures.lookaside.empty()) {
      where = "; no lookaside is configured for it (registries.d)";
    } else if (kind == "sigstoreSigned" && !request_.signatures.attachments) {
      where = "; registries.d says not to look for attachments";
    }
    return SignatureRefused(what, "the image has no signature", where);
  }
  std::string list;
  for (size_t i = 0; i < reasons.size() && i < 5; ++i) {
    list += Cat(i == 0 ? "" : "; ", reasons[i]);
  }
  return SignatureRefused(what, "none of ", reasons.size(), " signatures does: ", list);
}

Status SignatureCheck::MeetGpg(const PolicyRequirement& requirement) {
  std::vector<std::string> reasons;
  for (auto manifest = manifests_.rbegin(); manifest != manifests_.rend(); ++manifest) {
    for (const std::string& message : CRISP_TRY(source_.SimpleSignatures(*manifest))) {
      const auto text = OpenSignedMessage(message, requirement.keys, request_.tmp_dir);
      if (!text.ok() && text.status().code() != Code::kPermissionDenied) {
        return Status(text.status())
            .Wrap(request_.signatures.origin)
            .WithCode(Code::kFailedPrecondition);
      }
      const Status met =
          text.ok() ? CheckClaim(requirement, *text, SignedClaim::Kind::kSimpleSigning, *manifest)
                    : text.status();
      if (met.ok()) return OkStatus();
      reasons.push_back(PrintablePath(met.message()));
    }
  }
  return NotMet("signedBy", reasons);
}

Status SignatureCheck::MeetSigstore(const PolicyRequirement& requirement) {
  std::vector<PublicKey> keys;
  for (const std::string& pem : requirement.keys) {
    auto key = PublicKey::Parse(pem);
    if (!key.ok()) {
      return Status(key.status())
          .Wrap(request_.signatures.origin)
          .WithCode(Code::kFailedPrecondition);
    }
    keys.push_back(*std::move(key));
  }
  std::vector<std::string> reasons;
  for (auto manifest = manifests_.rbegin(); manifest != manifests_.rend(); ++manifest) {
    for (const SigstoreSignature& one : CRISP_TRY(source_.SigstoreSignatures(*manifest))) {
      Status met(Code::kPermissionDenied, "the policy has no key");
      for (const PublicKey& key : keys) {
        met = key.Verify(one.payload, one.signature);
        if (met.ok()) break;
      }
      if (met.ok()) {
        met = CheckClaim(requirement, one.payload, SignedClaim::Kind::kSigstore, *manifest);
      }
      if (met.ok()) return OkStatus();
      reasons.push_back(PrintablePath(met.message()));
    }
  }
  return NotMet("sigstoreSigned", reasons);
}

}  // namespace

Status CheckSignatures(const PullerRequest& request, const Reference& image,
                       const std::vector<Digest>& manifests, Registry& registry) {
  if (request.signatures.empty()) return OkStatus();
  SignatureCheck check(request, image, manifests, registry);
  for (const PolicyRequirement& requirement : request.signatures.requirements) {
    CRISP_RETURN_IF_ERROR(check.Meet(requirement));
  }
  return OkStatus();
}

}  // namespace crisp::image
