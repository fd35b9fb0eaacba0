#include "image/pull/source_image.h"

#include "image/pull/artifact.h"
#include "image/pull/layer_path.h"
#include "image/pull/signature_check.h"

namespace crisp::image {
namespace {

constexpr int kMaxIndexDepth = 3;

LayerTask TaskFor(Registry& registry, const Descriptor& layer) {
  LayerTask task;
  task.blob_digest = layer.digest;
  task.blob_bytes = layer.size_bytes;
  const auto sources = std::make_shared<BlobSources>();
  task.producer = [&registry, layer, sources](const ByteSink& sink, const StopFlag& stop) {
    return registry.StreamBlob(layer, sources.get(), sink, stop);
  };
  task.exclude_source = [&registry, sources] { return registry.ExcludeUsed(sources.get()); };
  return task;
}

// Its config is nobody's business here, and often the same empty one.
Status CompleteArtifact(const Manifest& manifest, const Digest& digest, Registry& registry,
                        SourceImage* image) {
  image->config_digest = digest;
  image->document.config.artifact_type = PrintablePath(manifest.artifact_type);
  for (const ArtifactFile& file : CRISP_TRY(ArtifactFiles(manifest).Wrap("artifact"))) {
    LayerTask task = TaskFor(registry, file.blob);
    task.diff_id = file.diff_id;
    task.file_name = file.name;
    image->layers.push_back(std::move(task));
  }
  return OkStatus();
}

}  // namespace

void AddCiphers(const std::vector<LayerCipherPtr>& ciphers, SourceImage* image) {
  for (size_t i = 0; i < ciphers.size(); ++i) image->layers[i].cipher = ciphers[i];
}

Status CompleteFromConfig(const Platform& wanted, SourceImage* image) {
  image->document = CRISP_TRY(ParseConfig(image->config));
  if (PlatformScore(wanted, image->document.platform) == 0) {
    return NotFound("the image is for ", image->document.platform.ToString(), ", not for ",
                    wanted.ToString());
  }
  const std::vector<Digest>& diff_ids = image->document.diff_ids;
  if (diff_ids.size() != image->layers.size()) {
    return InvalidArgument("the manifest has ", image->layers.size(), " layers, but the config ",
                           diff_ids.size(), " diff ids");
  }
  for (size_t i = 0; i < diff_ids.size(); ++i) {
    LayerTask& layer = image->layers[i];
    layer.diff_id = diff_ids[i];
    if (layer.cipher != nullptr) layer.store_id = CRISP_TRY(layer.cipher->StoreId(diff_ids[i]));
  }
  return OkStatus();
}

Result<SourceImage> FindInRegistry(const PullerRequest& request, Registry& registry) {
  const Reference reference = CRISP_TRY(Reference::Parse(request.reference));
  SourceImage image;
  image.names = {reference.ToString()};
  std::string wanted = reference.digest().empty() ? reference.tag() : reference.digest();
  int64_t expected_size = -1;
  std::vector<Digest> chain;  // the index, if there is one, and the manifest
  Manifest manifest;
  for (int depth = 0;; ++depth) {
    FetchedManifest fetched = CRISP_TRY(registry.FetchManifest(wanted));
    if (depth == 0) image.resolved_digest = fetched.digest.ToString();
    chain.push_back(fetched.digest);
    if (expected_size >= 0 && static_cast<int64_t>(fetched.bytes.size()) != expected_size) {
      return DataLoss("manifest ", wanted, ": ", fetched.bytes.size(),
                      " bytes; its descriptor says ", expected_size);
    }
    ManifestOrIndex parsed = CRISP_TRY(ParseManifest(fetched.bytes, fetched.media_type));
    if (!parsed.is_index) {
      image.manifest = std::move(fetched.bytes);
      manifest = std::move(parsed.manifest);
      break;
    }
    if (depth == kMaxIndexDepth) return InvalidArgument("indexes are nested too deeply");
    const Descriptor chosen = CRISP_TRY(ChooseManifest(parsed.entries, request.platform));
    wanted = chosen.digest.ToString();
    expected_size = chosen.size_bytes;
  }
  // Before anything else of the image is fetched.
  CRISP_RETURN_IF_ERROR(CheckSignatures(request, reference, chain, registry));
  if (!manifest.artifact_type.empty()) {
    CRISP_RETURN_IF_ERROR(CompleteArtifact(manifest, chain.back(), registry, &image));
    return image;
  }
  // At every pull, also when all layers are here: who may pull the image has its keys.
  const auto ciphers = CRISP_TRY(OpenLayers(manifest.layers, request.decryption_keys_path));
  image.config = CRISP_TRY(registry.FetchBlob(manifest.config, kMaxJsonBytes).Wrap("config"));
  image.config_digest = manifest.config.digest;
  for (const Descriptor& layer : manifest.layers) {
    image.layers.push_back(TaskFor(registry, layer));
  }
  AddCiphers(ciphers, &image);
  CRISP_RETURN_IF_ERROR(CompleteFromConfig(request.platform, &image));
  return image;
}

}  // namespace crisp::image
