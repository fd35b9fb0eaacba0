#include "image/policy/policy_files.h"

#include <optional>

#include "base/core/file.h"

namespace crisp::image {
namespace {

using Type = PolicyRequirement::Type;

constexpr size_t kMaxKeyBytes = 1u << 20;

// A namespace's name is a DNS label; anything else must not become part of a path.
bool IsLabel(const std::string& text) {
  return !text.empty() && text.size() <= 63 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

struct PolicyFile {
  std::string path;
  SignaturePolicy policy;
};

// Empty: there is no such file.
Result<std::optional<PolicyFile>> ReadPolicy(const std::string& path) {
  const Result<std::string> text = ReadFile(path, kMaxPolicyBytes);
  if (!text.ok()) {
    if (text.status().sys_errno() == ENOENT) return std::optional<PolicyFile>();
    return text.status();
  }
  // Not within the braces: g++ 12 loses the members before a return out of them.
  SignaturePolicy policy = CRISP_TRY(SignaturePolicy::Parse(*text, path));
  return std::optional<PolicyFile>(PolicyFile{path, std::move(policy)});
}

Result<std::optional<PolicyFile>> ChoosePolicy(const SignatureOptions& options,
                                               const std::string& pod_namespace) {
  if (!options.namespace_policy_dir.empty() && IsLabel(pod_namespace)) {
    auto own =
        CRISP_TRY(ReadPolicy(Cat(options.namespace_policy_dir, '/', pod_namespace, ".json")));
    if (own) return own;
  }
  if (options.policy_file.empty()) return std::optional<PolicyFile>();
  auto general = CRISP_TRY(ReadPolicy(options.policy_file));
  if (!general && options.policy_required) {
    return NotFound(options.policy_file,
                    ": no such file; the configuration names it as the signature policy");
  }
  return general;
}

Status LoadKeys(PolicyRequirement* requirement) {
  for (const std::string& path : requirement->key_files) {
    requirement->keys.push_back(CRISP_TRY(ReadFile(path, kMaxKeyBytes)));
  }
  requirement->key_files.clear();
  return OkStatus();
}

// Each key from the most precise scope of registries.d that has it: names, not wildcards.
Status FindLookaside(const SignatureOptions& options, const Reference& image,
                     SignatureDemand* demand) {
  if (!options.read_lookaside) return OkStatus();
  const std::map<std::string, Lookaside> known = CRISP_TRY(options.read_lookaside());
  std::vector<std::string> scopes = PolicyScopes(image);
  scopes.push_back("");
  std::optional<std::string> url;
  std::optional<bool> attachments;
  for (const std::string& scope : scopes) {
    const auto it = known.find(scope);
    if (it == known.end()) continue;
    if (!url) url = it->second.url;
    if (!attachments) attachments = it->second.use_attachments;
  }
  demand->lookaside = url.value_or("");
  demand->attachments = attachments.value_or(true);
  return OkStatus();
}

Result<SignatureDemand> MakeDemand(const SignatureOptions& options, const Reference& image,
                                   const PolicyFile& file) {
  const SignaturePolicy::Match match = file.policy.Find(image);
  SignatureDemand out;
  out.origin = Cat(file.path, ": ", match.scope);
  for (PolicyRequirement one : *match.requirements) {
    if (one.type == Type::kAccept) continue;
    if (one.type == Type::kReject) {
      return SignatureRefused(out.origin, ": images of this scope are rejected");
    }
    if (!one.unsupported.empty()) {
      return SignatureRefused(out.origin, ": sigstoreSigned with ", one.unsupported,
                              " cannot be checked by crisp; supported: public keys (keyPath, "
                              "keyData)");
    }
    CRISP_RETURN_IF_ERROR(LoadKeys(&one).Wrap(out.origin));
    out.requirements.push_back(std::move(one));
  }
  if (!out.empty()) CRISP_RETURN_IF_ERROR(FindLookaside(options, image, &out));
  return out;
}

}  // namespace

Result<SignatureDemand> DemandFor(const SignatureOptions& options, const Reference& image,
                                  const std::string& pod_namespace) {
  const auto demand = [&]() -> Result<SignatureDemand> {
    const auto file = CRISP_TRY(ChoosePolicy(options, pod_namespace));
    if (!file) return SignatureDemand();
    return MakeDemand(options, image, *file);
  };
  Result<SignatureDemand> out = demand();
  if (out.ok() || IsSignatureRefusal(out.status())) return out;
  return Status(Code::kFailedPrecondition, Cat("signature policy: ", out.status().message()));
}

}  // namespace crisp::image
