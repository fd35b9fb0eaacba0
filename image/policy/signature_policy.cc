#include "image/policy/signature_policy.h"

#include <algorithm>

#include "base/base64.h"
#include "image/policy/strict_json.h"

namespace crisp::image {
namespace {

constexpr std::string_view kTransports[] = {
    "atomic", "containers-storage", "dir",    "docker", "docker-archive", "docker-daemon",
    "oci",    "oci-archive",        "ostree", "sif",    "static",         "tarball",
    "",
};

// Members of a sigstoreSigned requirement that ask for more than a public key.
constexpr std::string_view kBeyondKeys[] = {"fulcio",
                                            "pki",
                                            "rekorPublicKeyPath",
                                            "rekorPublicKeyPaths",
                                            "rekorPublicKeyData",
                                            "rekorPublicKeyDatas"};

Result<std::string> DecodeKey(const std::string& text, const char* key) {
  std::optional<std::string> bytes = DecodeWrappedBase64(text);
  if (!bytes || bytes->empty()) {
    return InvalidArgument("member \"", key, "\": allowed: base64 of a key");
  }
  return *std::move(bytes);
}

// Exactly one of `keys`: ...Path and ...Paths name files, ...Data and ...Datas hold keys.
Status ReadKeys(const Json& json, std::initializer_list<const char*> keys, PolicyRequirement* out) {
  const char* given = nullptr;
  for (const char* key : keys) {
    if (FindMember(json, key) == nullptr) continue;
    if (given != nullptr) {
      return InvalidArgument("has both \"", given, "\" and \"", key, "\"; one is allowed");
    }
    given = key;
  }
  if (given == nullptr) {
    return InvalidArgument("has no key; allowed: one of keyPath, keyPaths or keyData");
  }
  const std::string_view name = given;
  const std::vector<std::string> values =
      name.ends_with('s') ? CRISP_TRY(StringsMember(json, given))
                          : std::vector<std::string>{CRISP_TRY(RequiredString(json, given))};
  if (values.empty()) return InvalidArgument("member \"", given, "\" is empty");
  for (const std::string& value : values) {
    if (name.find("Data") != std::string_view::npos) {
      out->keys.push_back(CRISP_TRY(DecodeKey(value, given)));
    } else if (!value.starts_with('/')) {
      return InvalidArgument("member \"", given, "\": \"", value, "\"; allowed: an absolute path");
    } else {
      out->key_files.push_back(value);
    }
  }
  return OkStatus();
}

Status ReadGpg(const Json& json, PolicyRequirement* out) {
  out->type = PolicyRequirement::Type::kGpg;
  CRISP_RETURN_IF_ERROR(
      CheckKeys(json, {"type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"}));
  const std::string kind = CRISP_TRY(RequiredString(json, "keyType"));
  if (kind != "GPGKeys") {
    return InvalidArgument("member \"keyType\": \"", kind.substr(0, 255), "\"; allowed: GPGKeys");
  }
  return ReadKeys(json, {"keyPath", "keyPaths", "keyData"}, out);
}

Status ReadSigstore(const Json& json, PolicyRequirement* out) {
  out->type = PolicyRequirement::Type::kSigstore;
  CRISP_RETURN_IF_ERROR(CheckKeys(
      json,
      {"type", "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki", "rekorPublicKeyPath",
       "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas", "signedIdentity"}));
  for (const std::string_view member : kBeyondKeys) {
    if (json.contains(member)) out->unsupported = member;
  }
  if (!out->unsupported.empty()) return OkStatus();
  return ReadKeys(json, {"keyPath", "keyPaths", "keyData", "keyDatas"}, out);
}

Result<PolicyRequirement> ParseRequirement(const Json& json) {
  if (!json.is_object()) return InvalidArgument("must be an object");
  PolicyRequirement out;
  const std::string type = CRISP_TRY(RequiredString(json, "type"));
  if (type == "insecureAcceptAnything" || type == "reject") {
    CRISP_RETURN_IF_ERROR(CheckKeys(json, {"type"}));
    out.type =
        type == "reject" ? PolicyRequirement::Type::kReject : PolicyRequirement::Type::kAccept;
    return out;
  }
  if (type == "signedBy") {
    CRISP_RETURN_IF_ERROR(ReadGpg(json, &out));
  } else if (type == "sigstoreSigned") {
    CRISP_RETURN_IF_ERROR(ReadSigstore(json, &out));
  } else {
    return InvalidArgument("member \"type\": \"", type.substr(0, 255),
                           "\"; allowed: insecureAcceptAnything, reject, signedBy or "
                           "sigstoreSigned");
  }
  if (const Json* identity = FindMember(json, "signedIdentity")) {
    out.identity = CRISP_TRY(SignedIdentity::Parse(*identity).Wrap("signedIdentity"));
  }
  return out;
}

Result<PolicyRequirements> ParseRequirements(const Json& json) {
  if (!json.is_array() || json.empty()) {
    return InvalidArgument("must be an array of at least one requirement");
  }
  PolicyRequirements out;
  for (const Json& item : json) {
    out.push_back(CRISP_TRY(ParseRequirement(item).Wrap("requirement ", out.size() + 1)));
  }
  return out;
}

Status CheckDockerScope(const std::string& scope) {
  const std::string_view rest = std::string_view(scope).substr(scope.starts_with("*.") ? 2 : 0);
  const bool wildcard = rest.size() != scope.size();
  const bool bad = rest.empty() || rest.find('*') != std::string_view::npos ||
                   rest.starts_with('/') || rest.ends_with('/') ||
                   rest.find("//") != std::string_view::npos ||
                   (wildcard && rest.find_first_of("/:@") != std::string_view::npos);
  if (!bad) return OkStatus();
  return InvalidArgument(
      "not a scope; allowed: \"\", host[:port], host/namespace, host/repository, "
      "host/repository:tag, host/repository@digest or *.domain");
}

}  // namespace

std::vector<std::string> PolicyScopes(const Reference& image) {
  std::vector<std::string> out = {image.ToString()};
  std::string name = image.name();
  for (;;) {
    out.push_back(name);
    const size_t slash = name.rfind('/');
    if (slash == std::string::npos) break;
    name.resize(slash);
  }
  // What is left is the host. Ports take no part in "*.domain"; an IPv6 address has no domain.
  if (name.starts_with('[')) return out;
  std::string_view domain = name;
  domain = domain.substr(0, domain.find(':'));
  for (size_t dot = domain.find('.'); dot != std::string_view::npos; dot = domain.find('.')) {
    domain.remove_prefix(dot + 1);
    out.push_back(Cat("*.", domain));
  }
  return out;
}

Result<SignaturePolicy> SignaturePolicy::Parse(std::string_view text, const std::string& file) {
  const Json json = CRISP_TRY(ParseStrictJson(text, file, kMaxPolicyBytes));
  CRISP_RETURN_IF_ERROR(CheckKeys(json, {"default", "transports"}).Wrap(file));
  const Json* global = FindMember(json, "default");
  if (global == nullptr) return InvalidArgument(file, ": member \"default\" is missing");
  SignaturePolicy out;
  out.default_ = CRISP_TRY(ParseRequirements(*global).Wrap(file, ": default"));
  const Json* transports = FindMember(json, "transports");
  if (transports == nullptr) return out;
  if (!transports->is_object()) return InvalidArgument(file, ": transports: must be an object");
  for (const auto& [transport, scopes] : transports->items()) {
    const std::string where = Cat(file, ": transports: ", transport.substr(0, 255));
    if (std::find(std::begin(kTransports), std::end(kTransports), transport) ==
        std::end(kTransports)) {
      return InvalidArgument(where, ": no transport; images of registries belong to \"docker\"");
    }
    if (!scopes.is_object()) return InvalidArgument(where, ": must be an object");
    for (const auto& [scope, requirements] : scopes.items()) {
      const std::string at = Cat(where, ": \"", scope.substr(0, 255), "\"");
      PolicyRequirements parsed = CRISP_TRY(ParseRequirements(requirements).Wrap(at));
      if (transport != "docker") continue;
      if (!scope.empty()) CRISP_RETURN_IF_ERROR(CheckDockerScope(scope).Wrap(at));
      out.scopes_[scope] = std::move(parsed);
    }
  }
  return out;
}

SignaturePolicy::Match SignaturePolicy::Find(const Reference& image) const {
  for (const std::string& scope : PolicyScopes(image)) {
    if (const auto it = scopes_.find(scope); it != scopes_.end()) return {scope, &it->second};
  }
  if (const auto it = scopes_.find(""); it != scopes_.end()) {
    return {"the default of docker", &it->second};
  }
  return {"default", &default_};
}

}  // namespace crisp::image
