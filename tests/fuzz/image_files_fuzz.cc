// Files of the node's owner that the image room reads, records of layers, and what signatures say.
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/core/file.h"
#include "fuzz.h"
#include "image/pinned_images.h"
#include "image/policy/signature_policy.h"
#include "image/policy/signed_claim.h"
#include "image/pull/archive_files.h"
#include "image/pull/gpg_signature.h"
#include "image/pull/hasher.h"
#include "image/pull/public_key.h"
#include "image/pull/source_image.h"
#include "image/pull/tree_record.h"
#include "image/registry/credentials.h"
#include "image/registry/hosts_toml.h"
#include "image/registry/registries_conf.h"
#include "image/registry/toml_text.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

constexpr const char* kNames[] = {"docker.io/library/x", "quay.io/team/app", "localhost:5000/a",
                                  "a.b.example.com/c/d", "[::1]:5000/x"};

void CheckToml(const TomlValue& value, int depth) {
  CRISP_REQUIRE(depth < 1000);
  CRISP_REQUIRE(value.file == "f" && value.line >= 0);
  CRISP_REQUIRE(!value.KindName().empty());
  for (const TomlValue& item : value.items) CheckToml(item, depth + 1);
  for (const auto& [key, entry] : value.entries) {
    CRISP_REQUIRE(value.Find(key) != nullptr);
    CheckToml(entry, depth + 1);
  }
}

// An empty directory, as long as the program runs.
class EmptyTree {
 public:
  EmptyTree() { CRISP_REQUIRE(::mkdtemp(path_) != nullptr); }
  ~EmptyTree() { ::rmdir(path_); }
  std::string path() const { return path_; }

 private:
  char path_[32] = "/tmp/crisp-fuzz-XXXXXX";
};

void CompareRecord(const std::string& record) {
  static const EmptyTree tree;
  const UniqueFd file(::memfd_create("record", MFD_CLOEXEC));
  CRISP_REQUIRE(file && WriteAll(file.get(), record).ok());
  const auto found = CompareWithRecord(tree.path(), Cat("/proc/self/fd/", file.get()));
  if (!found.ok()) return;
  CRISP_REQUIRE(found->first.size() <= kMaxShownDifferences);
  CRISP_REQUIRE(found->first.size() <= found->count);
}

}  // namespace

CRISP_FUZZ(toml) {
  const auto parsed = ParseToml(input, "f");
  if (!parsed.ok()) {
    CRISP_REQUIRE(parsed.status().code() == Code::kInvalidArgument);
    return;
  }
  CheckToml(*parsed, 0);
}

CRISP_FUZZ(registries_conf) {
  RegistriesConf conf;
  if (!conf.Add(input, "f").ok()) return;
  for (const char* name : kNames) {
    const auto match = conf.Find(name);
    if (!match) continue;
    CRISP_REQUIRE(match->registry != nullptr && match->length <= std::string_view(name).size());
    CRISP_REQUIRE(match->Rewrite(name, "") == name);
    CRISP_REQUIRE(match->Rewrite(name, "mirror").starts_with("mirror"));
  }
  const auto candidates = conf.Candidates("app");
  if (!candidates.ok()) return;
  for (const std::string& one : *candidates) CRISP_REQUIRE(!one.empty());
}

CRISP_FUZZ(hosts_toml) {
  const auto parsed = ParseHostsToml(input, "f", "/d");
  if (!parsed.ok()) return;
  for (const HostsFile::Host& host : parsed->hosts) {
    CRISP_REQUIRE(host.url.starts_with("https://") || host.url.starts_with("http://"));
    for (const std::string& file : host.endpoint.ca_files) CRISP_REQUIRE(file.starts_with('/'));
  }
}

CRISP_FUZZ(credential_file) {
  const auto parsed = CredentialFile::Parse(input, "f");
  if (!parsed.ok()) return;
  for (const char* name : kNames) {
    const auto found = parsed->Find(name);
    if (found) CRISP_REQUIRE(HasCredentials(*found));
  }
}

CRISP_FUZZ(pinned_images) {
  std::vector<std::string> patterns;
  for (std::string_view rest = input; !rest.empty();) {
    const fuzz::Parts parts = fuzz::SplitLine(rest);
    patterns.emplace_back(parts.first);
    rest = parts.rest;
  }
  Status mistake;
  const PinnedImages pinned(patterns, &mistake);
  CRISP_REQUIRE(mistake.ok() || mistake.code() == Code::kInvalidArgument);
  for (const std::string& pattern : patterns) {
    const auto reference = Reference::Parse(pattern);
    if (reference.ok()) CRISP_REQUIRE(pinned.Matches(reference->ToString()));
  }
}

CRISP_FUZZ(tree_record) {
  CompareRecord(std::string(input));
  CompareRecord(Zstd(std::string(input)));
}

// The index of an archive that `crisp image import` was given, and the documents in it.
CRISP_FUZZ(image_archive) {
  static const EmptyTree tree;
  const UniqueFd file(::memfd_create("archive", MFD_CLOEXEC));
  CRISP_REQUIRE(file && WriteAll(file.get(), input).ok());
  PullerRequest request;
  request.operation = PullerRequest::Operation::kImport;
  request.path = Cat("/proc/self/fd/", file.get());
  request.tmp_dir = tree.path();
  request.platform = {"linux", "amd64", ""};
  const auto archive = ArchiveFiles::Open(request.path, request.tmp_dir);
  if (!archive.ok()) return;
  const auto images = FindInArchive(request, **archive);
  if (!images.ok()) return;
  CRISP_REQUIRE(!images->empty());
  for (const SourceImage& image : *images) {
    CRISP_REQUIRE(VerifyDigest(image.config, image.config_digest).ok());
    for (const std::string& name : image.names) CRISP_REQUIRE(Reference::Parse(name).ok());
    for (const LayerTask& layer : image.layers) {
      (void)layer.producer([](Bytes) { return OkStatus(); }, StopFlag());
    }
  }
}

CRISP_FUZZ(signature_policy) {
  const auto policy = SignaturePolicy::Parse(input, "f");
  if (!policy.ok()) {
    CRISP_REQUIRE(policy.status().code() == Code::kInvalidArgument);
    return;
  }
  for (const char* name : kNames) {
    const Reference image = *Reference::Parse(name);
    const SignaturePolicy::Match match = policy->Find(image);
    CRISP_REQUIRE(match.requirements != nullptr && !match.requirements->empty());
    for (const PolicyRequirement& one : *match.requirements) {
      const bool checked = one.type == PolicyRequirement::Type::kGpg ||
                           one.type == PolicyRequirement::Type::kSigstore;
      CRISP_REQUIRE(!checked || !one.keys.empty() || !one.key_files.empty() ||
                    !one.unsupported.empty());
      const auto again = SignedIdentity::Parse(one.identity.ToJson());
      CRISP_REQUIRE(again.ok() && again->ToJson() == one.identity.ToJson());
      for (const char* signed_name : kNames) {
        const Status may = one.identity.Check(image, Cat(signed_name, ":latest"));
        CRISP_REQUIRE(may.ok() == again->Check(image, Cat(signed_name, ":latest")).ok());
      }
    }
  }
}

CRISP_FUZZ(signed_claim) {
  for (const auto kind : {SignedClaim::Kind::kSimpleSigning, SignedClaim::Kind::kSigstore}) {
    const auto claim = SignedClaim::Parse(input, kind);
    if (!claim.ok()) continue;
    CRISP_REQUIRE(!claim->name.empty());
    CRISP_REQUIRE(Digest::Parse(claim->manifest.ToString()).ok());
    (void)SignedIdentity().Check(*Reference::Parse("x"), claim->name);
  }
}

CRISP_FUZZ(signing_keys) {
  const auto packets = DearmorKeys(input);
  CRISP_REQUIRE(!packets.ok() || !packets->empty());
  const Status judged = JudgeGpgStatus(input);
  CRISP_REQUIRE(judged.ok() || judged.code() == Code::kPermissionDenied);
  const auto key = PublicKey::Parse(input);
  if (key.ok()) CRISP_REQUIRE(!key->Verify("text", input.substr(0, 100)).ok());
  const auto bytes = DecodeBase64(input);
  if (bytes) CRISP_REQUIRE(DecodeBase64(EncodeBase64(*bytes)) == *bytes);
}

}  // namespace crisp::image
