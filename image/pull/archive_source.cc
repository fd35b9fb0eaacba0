// FindInArchive: OCI layouts and docker archives (source_image.h).
#include "image/pull/hasher.h"
#include "image/pull/layer_path.h"
#include "image/pull/source_image.h"
#include "image/reference.h"

namespace crisp::image {
namespace {

constexpr size_t kMaxIndexBytes = kMaxJsonBytes;
constexpr int kMaxIndexDepth = 3;
constexpr size_t kMaxImages = 1000;
// What build tools write beside the OCI annotation: always the full name.
constexpr const char* kFullNameAnnotation = "io.containerd.image.name";
constexpr const char* kRefNameAnnotation = "org.opencontainers.image.ref.name";

std::string BlobPath(const Digest& digest) {
  return Cat("blobs/", digest.algorithm(), '/', digest.hex());
}

BlobProducer FileProducer(const ArchiveFiles& archive, std::string name) {
  return [&archive, name = std::move(name)](const ByteSink& sink, const StopFlag& stop) {
    return archive.Stream(name, sink, stop);
  };
}

Result<std::string> ReadBlob(const ArchiveFiles& archive, const Descriptor& blob, size_t limit) {
  std::string bytes = CRISP_TRY(archive.Read(BlobPath(blob.digest), limit));
  if (static_cast<int64_t>(bytes.size()) != blob.size_bytes) {
    return DataLoss("blob ", blob.digest.ToString(), ": ", bytes.size(),
                    " bytes; its descriptor says ", blob.size_bytes);
  }
  CRISP_RETURN_IF_ERROR(VerifyDigest(bytes, blob.digest));
  return bytes;
}

// The name that an entry of index.json carries. "ref.name" is a full reference or only a tag; a tag
// alone names nothing.
Result<std::vector<std::string>> NamesOf(const Descriptor& entry) {
  std::vector<std::string> names;
  for (const char* key : {kFullNameAnnotation, kRefNameAnnotation}) {
    const auto it = entry.annotations.find(key);
    if (it == entry.annotations.end() || !names.empty()) continue;
    const bool full =
        key == kFullNameAnnotation || it->second.find_first_of("/:") != std::string::npos;
    if (full) names.push_back(CRISP_TRY(Reference::Parse(it->second)).ToString());
  }
  return names;
}

Result<SourceImage> ReadOciImage(const PullerRequest& request, const ArchiveFiles& archive,
                                 const Descriptor& entry) {
  SourceImage image;
  image.names = CRISP_TRY(NamesOf(entry));
  image.resolved_digest = entry.digest.ToString();
  Descriptor at = entry;
  Manifest manifest;
  for (int depth = 0;; ++depth) {
    std::string bytes = CRISP_TRY(ReadBlob(archive, at, kMaxManifestBytes).Wrap("manifest"));
    ManifestOrIndex parsed = CRISP_TRY(ParseManifest(bytes, at.media_type));
    if (!parsed.is_index) {
      image.manifest = std::move(bytes);
      manifest = std::move(parsed.manifest);
      break;
    }
    if (depth == kMaxIndexDepth) return InvalidArgument("indexes are nested too deeply");
    at = CRISP_TRY(ChooseManifest(parsed.entries, request.platform));
  }
  if (!manifest.artifact_type.empty()) {
    return InvalidArgument("not a container image but an artifact of the type ",
                           PrintablePath(manifest.artifact_type),
                           "; artifacts can be pulled from a registry, not imported");
  }
  image.config = CRISP_TRY(ReadBlob(archive, manifest.config, kMaxJsonBytes).Wrap("config"));
  image.config_digest = manifest.config.digest;
  for (const Descriptor& layer : manifest.layers) {
    LayerTask task;
    task.blob_digest = layer.digest;
    task.blob_bytes = layer.size_bytes;
    task.producer = FileProducer(archive, BlobPath(layer.digest));
    image.layers.push_back(std::move(task));
  }
  AddCiphers(CRISP_TRY(OpenLayers(manifest.layers, request.decryption_keys_path)), &image);
  CRISP_RETURN_IF_ERROR(CompleteFromConfig(request.platform, &image));
  return image;
}

Result<std::vector<SourceImage>> FindInLayout(const PullerRequest& request,
                                              const ArchiveFiles& archive) {
  const std::string text = CRISP_TRY(archive.Read("index.json", kMaxIndexBytes));
  const ManifestOrIndex index =
      CRISP_TRY(ParseManifest(text, "application/vnd.oci.image.index.v1+json").Wrap("index.json"));
  if (!index.is_index) return InvalidArgument("index.json: is not an index");
  std::vector<SourceImage> images;
  for (const Descriptor& entry : index.entries) {
    if (PlatformScore(request.platform, entry.platform) == 0) continue;
    if (images.size() == kMaxImages) {
      return ResourceExhausted("more than ", kMaxImages, " images in the archive");
    }
    images.push_back(CRISP_TRY(ReadOciImage(request, archive, entry)));
  }
  if (images.empty()) {
    return NotFound("index.json has no image for ", request.platform.ToString());
  }
  return images;
}

Result<SourceImage> ReadDockerImage(const PullerRequest& request, const ArchiveFiles& archive,
                                    const Json& entry) {
  SourceImage image;
  for (const std::string& tag : CRISP_TRY(StringsMember(entry, "RepoTags"))) {
    image.names.push_back(CRISP_TRY(Reference::Parse(tag)).ToString());
  }
  image.config = CRISP_TRY(archive.Read(CRISP_TRY(StringMember(entry, "Config")), kMaxJsonBytes));
  image.config_digest = CRISP_TRY(DigestOf(image.config));
  for (const std::string& layer : CRISP_TRY(StringsMember(entry, "Layers"))) {
    if (!archive.Has(layer)) return NotFound("the archive has no layer ", layer);
    LayerTask task;
    task.producer = FileProducer(archive, layer);
    image.layers.push_back(std::move(task));
  }
  CRISP_RETURN_IF_ERROR(CompleteFromConfig(request.platform, &image));
  return image;
}

Result<std::vector<SourceImage>> FindInDockerArchive(const PullerRequest& request,
                                                     const ArchiveFiles& archive) {
  const std::string text = CRISP_TRY(archive.Read("manifest.json", kMaxIndexBytes));
  const Json json = CRISP_TRY(ParseJson(text, "manifest.json"));
  if (!json.is_array() || json.empty() || json.size() > kMaxImages) {
    return InvalidArgument("manifest.json: must be an array of 1 to ", kMaxImages, " images");
  }
  std::vector<SourceImage> images;
  for (const Json& entry : json) {
    images.push_back(CRISP_TRY(
        ReadDockerImage(request, archive, entry).Wrap("manifest.json: image ", images.size())));
  }
  return images;
}

}  // namespace

Result<std::vector<SourceImage>> FindInArchive(const PullerRequest& request,
                                               const ArchiveFiles& archive) {
  // Newer docker archives are both; the OCI side has the manifest and so a digest.
  std::vector<SourceImage> images;
  if (archive.Has("oci-layout") && archive.Has("index.json")) {
    images = CRISP_TRY(FindInLayout(request, archive));
  } else if (archive.Has("manifest.json")) {
    images = CRISP_TRY(FindInDockerArchive(request, archive));
  } else {
    return InvalidArgument("neither an OCI layout (oci-layout, index.json) nor a docker archive ",
                           "(manifest.json)");
  }
  if (request.name.empty()) return images;
  if (images.size() != 1) {
    return InvalidArgument("the archive has ", images.size(), " images: they cannot all be named ",
                           request.name);
  }
  images[0].names = {CRISP_TRY(Reference::Parse(request.name)).ToString()};
  return images;
}

}  // namespace crisp::image
