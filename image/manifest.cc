#include "image/manifest.h"

#include <algorithm>

namespace crisp::image {
namespace {

constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";

Result<std::vector<Descriptor>> ParseDescriptors(const Json& array, const char* key, size_t limit) {
  if (!array.is_array()) return InvalidArgument("member \"", key, "\" must be an array");
  if (array.size() > limit) {
    return InvalidArgument(array.size(), " entries in \"", key, "\"; at most ", limit,
                           " are allowed");
  }
  std::vector<Descriptor> out;
  out.reserve(array.size());
  for (const Json& item : array) {
    out.push_back(CRISP_TRY(ParseDescriptor(item).Wrap(key, " ", out.size())));
  }
  return out;
}

Result<Manifest> ParseImageManifest(const Json& json, bool docker) {
  Manifest manifest;
  const Json* config = FindMember(json, "config");
  if (config == nullptr) return InvalidArgument("member \"config\" is missing");
  manifest.config = CRISP_TRY(ParseDescriptor(*config).Wrap("config"));
  const std::string& type = manifest.config.media_type;
  if (!type.empty() && type != kOciConfig && type != kDockerConfig) {
    if (docker) return InvalidArgument("not a container image: its config has the type ", type);
    manifest.artifact_type = CRISP_TRY(StringMember(json, "artifactType"));
    if (manifest.artifact_type.empty()) manifest.artifact_type = type;
  }
  const Json* layers = FindMember(json, "layers");
  if (layers == nullptr) return InvalidArgument("member \"layers\" is missing");
  manifest.layers = CRISP_TRY(ParseDescriptors(*layers, "layers", kMaxLayers));
  return manifest;
}

}  // namespace

bool IsIndexType(std::string_view type) { return type == kOciIndex || type == kDockerList; }
bool IsManifestType(std::string_view type) {
  return type == kOciManifest || type == kDockerManifest;
}

std::string_view AcceptedManifestTypes() {
  static const std::string types =
      Cat(kOciIndex, ", ", kOciManifest, ", ", kDockerList, ", ", kDockerManifest);
  return types;
}

Result<Descriptor> ParseDescriptor(const Json& json) {
  if (!json.is_object()) return InvalidArgument("descriptor must be an object");
  Descriptor out;
  out.media_type = CRISP_TRY(StringMember(json, "mediaType"));
  out.digest = CRISP_TRY(Digest::Parse(CRISP_TRY(StringMember(json, "digest"))));
  if (FindMember(json, "size") == nullptr) return InvalidArgument("member \"size\" is missing");
  out.size_bytes = CRISP_TRY(IntMember(json, "size"));
  if (out.size_bytes < 0) return InvalidArgument("size ", out.size_bytes, " is negative");
  out.annotations = CRISP_TRY(StringMapMember(json, "annotations"));
  if (const Json* platform = FindMember(json, "platform")) {
    out.platform = CRISP_TRY(ParsePlatform(*platform).Wrap("platform"));
  }
  return out;
}

Result<ManifestOrIndex> ParseManifest(std::string_view text, std::string_view media_type) {
  const Json json = CRISP_TRY(ParseJson(text, "manifest", kMaxManifestBytes));
  if (!json.is_object()) return InvalidArgument("manifest: must be a JSON object");
  const int64_t schema = CRISP_TRY(IntMember(json, "schemaVersion").Wrap("manifest"));
  if (schema == 1) {
    return InvalidArgument(
        "manifest: Docker schema 1 is no longer supported; push the image again");
  }
  if (schema != 2) return InvalidArgument("manifest: schemaVersion must be 2");
  std::string type = CRISP_TRY(StringMember(json, "mediaType").Wrap("manifest"));
  if (type.empty()) type = media_type.substr(0, media_type.find(';'));

  ManifestOrIndex out;
  const Json* entries = FindMember(json, "manifests");
  // A document that is both would mean one thing to us and another to the next reader
  // (CVE-2021-41190).
  if (entries != nullptr && FindMember(json, "layers") != nullptr) {
    return InvalidArgument("manifest: has both \"manifests\" and \"layers\"");
  }
  if (IsIndexType(type) || (!IsManifestType(type) && entries != nullptr)) {
    if (entries == nullptr) return InvalidArgument("index: member \"manifests\" is missing");
    out.is_index = true;
    out.entries =
        CRISP_TRY(ParseDescriptors(*entries, "manifests", kMaxIndexEntries).Wrap("index"));
  } else {
    out.manifest = CRISP_TRY(ParseImageManifest(json, type == kDockerManifest).Wrap("manifest"));
  }
  return out;
}

Result<Descriptor> ChooseManifest(const std::vector<Descriptor>& entries, const Platform& wanted) {
  const Descriptor* best = nullptr;
  int best_score = 0;
  std::vector<std::string> offered;
  for (const Descriptor& entry : entries) {
    // Entries of other kinds (attestations, artifacts) are not for running.
    if (!entry.media_type.empty() && !IsManifestType(entry.media_type) &&
        !IsIndexType(entry.media_type)) {
      continue;
    }
    if (!entry.platform.empty() && offered.size() < 20) {
      offered.push_back(entry.platform.ToString());
    }
    const int score = PlatformScore(wanted, entry.platform);
    if (score > best_score) {  // the first of equals wins
      best = &entry;
      best_score = score;
    }
  }
  if (best != nullptr) return *best;
  std::sort(offered.begin(), offered.end());
  offered.erase(std::unique(offered.begin(), offered.end()), offered.end());
  std::string list;
  for (const std::string& one : offered) list += (list.empty() ? "" : ", ") + one;
  return NotFound("no image for ", wanted.ToString(), " in the index; it has ",
                  list.empty() ? "none" : list);
}

}  // namespace crisp::image
