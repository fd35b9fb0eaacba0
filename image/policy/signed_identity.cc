#include "image/policy/signed_identity.h"

#include <array>
#include <utility>

#include "image/policy/strict_json.h"

namespace crisp::image {
namespace {

using Type = SignedIdentity::Type;

constexpr std::array<std::pair<std::string_view, Type>, 6> kTypes = {{
    {"matchExact", Type::kExact},
    {"matchRepoDigestOrExact", Type::kRepoDigestOrExact},
    {"matchRepository", Type::kRepository},
    {"exactReference", Type::kExactReference},
    {"exactRepository", Type::kExactRepository},
    {"remapIdentity", Type::kRemap},
}};

// A name as somebody wrote it: Reference gives every name a tag.
struct WrittenName {
  Reference reference;
  bool name_only = false;
  std::string full() const { return name_only ? reference.name() : reference.ToString(); }
};

Result<WrittenName> ParseWritten(const std::string& text) {
  const size_t slash = text.rfind('/');
  const size_t from = slash == std::string::npos ? 0 : slash + 1;
  return WrittenName{CRISP_TRY(Reference::Parse(text)),
                     text.find_first_of(":@", from) == std::string::npos};
}

Status Mismatch(const std::string& signed_name, const std::string& wanted) {
  return Status(Code::kPermissionDenied,
                Cat("the signature is for ", signed_name.substr(0, 512), ", not for ", wanted));
}

// With a tag exactly that; by digest any tag of the repository: the digest is compared anyway.
bool MatchesRepoDigestOrExact(const Reference& image, const WrittenName& signed_name) {
  if (signed_name.name_only) return false;
  if (!image.digest().empty()) return signed_name.reference.name() == image.name();
  return signed_name.full() == image.ToString();
}

// The name with `prefix` replaced; as it is where that does not fit.
Result<Reference> Remap(const Reference& image, const std::string& prefix,
                        const std::string& signed_prefix) {
  const std::string name = image.name();
  const bool fits =
      name.starts_with(prefix) && (name.size() == prefix.size() || name[prefix.size()] == '/');
  if (!fits) return image;
  return Reference::Parse(signed_prefix + image.ToString().substr(prefix.size()));
}

Status CheckPrefix(const std::string& prefix, const char* key) {
  const size_t slash = prefix.rfind('/');
  const bool tagged = slash != std::string::npos && prefix.find(':', slash) != std::string::npos;
  if (tagged || prefix.find('@') != std::string::npos || prefix.ends_with('/')) {
    return InvalidArgument("member \"", key, "\": \"", prefix,
                           "\"; allowed: a host, namespace or repository, without tag or digest");
  }
  return OkStatus();
}

}  // namespace

Result<SignedIdentity> SignedIdentity::Parse(const Json& json) {
  if (!json.is_object()) return InvalidArgument("must be an object");
  const std::string type = CRISP_TRY(RequiredString(json, "type"));
  SignedIdentity out;
  bool known = false;
  for (const auto& [name, value] : kTypes) {
    if (type != name) continue;
    out.type = value;
    known = true;
  }
  if (!known) {
    return InvalidArgument("member \"type\": \"", type.substr(0, 255),
                           "\"; allowed: matchExact, matchRepoDigestOrExact, matchRepository, "
                           "exactReference, exactRepository or remapIdentity");
  }
  switch (out.type) {
    case Type::kExactReference:
    case Type::kExactRepository: {
      const bool whole = out.type == Type::kExactReference;
      const char* key = whole ? "dockerReference" : "dockerRepository";
      CRISP_RETURN_IF_ERROR(CheckKeys(json, {"type", key}));
      out.name = CRISP_TRY(RequiredString(json, key));
      const WrittenName name = CRISP_TRY(ParseWritten(out.name).Wrap("member \"", key, "\""));
      if (name.name_only == whole) {
        return InvalidArgument("member \"", key, "\": \"", out.name, "\"; allowed: a name ",
                               whole ? "with" : "without", " tag or digest");
      }
      break;
    }
    case Type::kRemap:
      CRISP_RETURN_IF_ERROR(CheckKeys(json, {"type", "prefix", "signedPrefix"}));
      out.prefix = CRISP_TRY(RequiredString(json, "prefix"));
      out.signed_prefix = CRISP_TRY(RequiredString(json, "signedPrefix"));
      CRISP_RETURN_IF_ERROR(CheckPrefix(out.prefix, "prefix"));
      CRISP_RETURN_IF_ERROR(CheckPrefix(out.signed_prefix, "signedPrefix"));
      break;
    default:
      CRISP_RETURN_IF_ERROR(CheckKeys(json, {"type"}));
  }
  return out;
}

Json SignedIdentity::ToJson() const {
  Json out = Json::object();
  for (const auto& [text, value] : kTypes) {
    if (value == type) out["type"] = text;
  }
  if (type == Type::kExactReference) out["dockerReference"] = name;
  if (type == Type::kExactRepository) out["dockerRepository"] = name;
  if (type == Type::kRemap) {
    out["prefix"] = prefix;
    out["signedPrefix"] = signed_prefix;
  }
  return out;
}

Status SignedIdentity::Check(const Reference& image, const std::string& signed_name) const {
  const auto parsed = ParseWritten(signed_name);
  if (!parsed.ok()) {
    return Status(Code::kPermissionDenied,
                  Cat("the signature names no image: ", parsed.status().message()));
  }
  switch (type) {
    case Type::kExact:
      if (!parsed->name_only && parsed->full() == image.ToString()) return OkStatus();
      return Mismatch(signed_name, image.ToString());
    case Type::kRepoDigestOrExact:
      if (MatchesRepoDigestOrExact(image, *parsed)) return OkStatus();
      return Mismatch(signed_name,
                      image.digest().empty() ? image.ToString() : image.name() + " and a tag");
    case Type::kRepository:
      if (parsed->reference.name() == image.name()) return OkStatus();
      return Mismatch(signed_name, Cat("the repository ", image.name()));
    case Type::kExactReference: {
      const WrittenName wanted = CRISP_TRY(ParseWritten(name));
      if (!parsed->name_only && parsed->full() == wanted.full()) return OkStatus();
      return Mismatch(signed_name, wanted.full());
    }
    case Type::kExactRepository: {
      const WrittenName wanted = CRISP_TRY(ParseWritten(name));
      if (parsed->reference.name() == wanted.reference.name()) return OkStatus();
      return Mismatch(signed_name, Cat("the repository ", wanted.reference.name()));
    }
    case Type::kRemap: {
      const Reference wanted = CRISP_TRY(Remap(image, prefix, signed_prefix));
      if (MatchesRepoDigestOrExact(wanted, *parsed)) return OkStatus();
      return Mismatch(signed_name, wanted.ToString());
    }
  }
  return Internal("a signed identity of another version");
}

}  // namespace crisp::image
