#include "image/policy/signature_demand.h"

#include "base/base64.h"

namespace crisp::image {
namespace {

using Type = PolicyRequirement::Type;

// Keyrings are binary, JSON is not.
Json RequirementToJson(const PolicyRequirement& requirement) {
  Json keys = Json::array();
  for (const std::string& key : requirement.keys) keys.push_back(EncodeBase64(key));
  return Json{{"sigstore", requirement.type == Type::kSigstore},
              {"keys", keys},
              {"identity", requirement.identity.ToJson()}};
}

Result<PolicyRequirement> RequirementFromJson(const Json& json) {
  PolicyRequirement out;
  out.type = CRISP_TRY(BoolMember(json, "sigstore")) ? Type::kSigstore : Type::kGpg;
  for (const std::string& key : CRISP_TRY(StringsMember(json, "keys"))) {
    auto bytes = DecodeBase64(key);
    if (!bytes) return InvalidArgument("member \"keys\" must be base64");
    out.keys.push_back(*std::move(bytes));
  }
  if (out.keys.empty()) return InvalidArgument("member \"keys\" is empty");
  const Json* identity = FindMember(json, "identity");
  if (identity == nullptr) return InvalidArgument("member \"identity\" is missing");
  out.identity = CRISP_TRY(SignedIdentity::Parse(*identity));
  return out;
}

}  // namespace

Json ToJson(const SignatureDemand& demand) {
  Json requirements = Json::array();
  for (const PolicyRequirement& one : demand.requirements) {
    requirements.push_back(RequirementToJson(one));
  }
  return Json{{"origin", demand.origin},
              {"requirements", requirements},
              {"lookaside", demand.lookaside},
              {"attachments", demand.attachments}};
}

Result<SignatureDemand> SignatureDemandFromJson(const Json& json) {
  SignatureDemand out;
  out.origin = CRISP_TRY(StringMember(json, "origin"));
  out.lookaside = CRISP_TRY(StringMember(json, "lookaside"));
  out.attachments = CRISP_TRY(BoolMember(json, "attachments"));
  const Json* requirements = FindMember(json, "requirements");
  if (requirements == nullptr || !requirements->is_array()) {
    return InvalidArgument("member \"requirements\" must be an array");
  }
  for (const Json& item : *requirements) {
    out.requirements.push_back(CRISP_TRY(RequirementFromJson(item)));
  }
  return out;
}

}  // namespace crisp::image
