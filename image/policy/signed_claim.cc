#include "image/policy/signed_claim.h"

#include "image/policy/strict_json.h"

namespace crisp::image {
namespace {

Result<const Json*> RequiredObject(const Json& object, const char* key) {
  const Json* member = FindMember(object, key);
  if (member == nullptr) return InvalidArgument("member \"", key, "\" is missing");
  return member;
}

}  // namespace

Result<SignedClaim> SignedClaim::Parse(std::string_view text, Kind kind) {
  const Json json = CRISP_TRY(ParseStrictJson(text, "signed text", kMaxClaimBytes));
  CRISP_RETURN_IF_ERROR(CheckKeys(json, {"critical", "optional"}).Wrap("signed text"));
  const Json* critical = CRISP_TRY(RequiredObject(json, "critical").Wrap("signed text"));
  CRISP_RETURN_IF_ERROR(CheckKeys(*critical, {"type", "image", "identity"}).Wrap("critical"));
  const char* wanted =
      kind == Kind::kSigstore ? "cosign container image signature" : "atomic container signature";
  const std::string type = CRISP_TRY(RequiredString(*critical, "type").Wrap("critical"));
  if (type != wanted) {
    return InvalidArgument("critical: member \"type\": \"", type.substr(0, 255),
                           "\"; allowed: ", wanted);
  }
  const Json* image = CRISP_TRY(RequiredObject(*critical, "image").Wrap("critical"));
  CRISP_RETURN_IF_ERROR(CheckKeys(*image, {"docker-manifest-digest"}).Wrap("critical: image"));
  const Json* identity = CRISP_TRY(RequiredObject(*critical, "identity").Wrap("critical"));
  CRISP_RETURN_IF_ERROR(CheckKeys(*identity, {"docker-reference"}).Wrap("critical: identity"));
  SignedClaim out;
  out.manifest = CRISP_TRY(Digest::Parse(
      CRISP_TRY(RequiredString(*image, "docker-manifest-digest").Wrap("critical: image"))));
  out.name = CRISP_TRY(RequiredString(*identity, "docker-reference").Wrap("critical: identity"));
  return out;
}

}  // namespace crisp::image
