#include "image/pull/image_export.h"

#include <algorithm>

#include "base/core/atomic_file.h"
#include "base/core/file.h"
#include "image/pull/hasher.h"
#include "image/pull/layer_tar.h"
#include "image/pull/tar_writer.h"

namespace crisp::image {
namespace {

constexpr char kRefName[] = "org.opencontainers.image.ref.name";  // image-spec annotations.md

struct ExportedLayer {
  std::string tree;
  bool opaque_root = false;
  Digest digest;
  int64_t size = 0;
};

Json DescriptorOf(const std::string& type, const Digest& digest, int64_t size) {
  return {{"mediaType", Cat("application/vnd.oci.image.", type)},
          {"digest", digest.ToString()},
          {"size", size}};
}

Bytes AsBytes(const std::string& text) {
  return Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

Status Measure(ExportedLayer* layer) {
  Hasher hasher;
  const ByteSink count = [&](Bytes bytes) {
    hasher.Update(bytes);
    layer->size += static_cast<int64_t>(bytes.size());
    return OkStatus();
  };
  CRISP_RETURN_IF_ERROR(WriteLayerTar(layer->tree, layer->opaque_root, count));
  layer->digest = CRISP_TRY(hasher.Finish());
  return OkStatus();
}

// Into `tar`, verified: what it says about itself has been written before.
Status Copy(const ExportedLayer& layer, TarWriter& tar) {
  Hasher hasher;
  int64_t size = 0;
  const ByteSink write = [&](Bytes bytes) -> Status {
    size += static_cast<int64_t>(bytes.size());
    if (size > layer.size) return DataLoss("the layer changes while it is read");
    hasher.Update(bytes);
    return tar.Data(bytes);
  };
  CRISP_RETURN_IF_ERROR(WriteLayerTar(layer.tree, layer.opaque_root, write));
  if (CRISP_TRY(hasher.Finish()) == layer.digest) return OkStatus();
  return DataLoss("the layer changes while it is read");
}

TarMember FileOf(const std::string& path, int64_t size) {
  TarMember out;
  out.path = path;
  out.mode = 0644;
  out.size = size;
  return out;
}

Status PutText(const std::string& path, const std::string& text, TarWriter& tar) {
  CRISP_RETURN_IF_ERROR(tar.Begin(FileOf(path, static_cast<int64_t>(text.size()))));
  return tar.Data(AsBytes(text));
}

std::string BlobPath(const Digest& digest) { return Cat("blobs/sha256/", digest.hex()); }

// The store's config with the diff ids of what is written.
Result<std::string> ConfigFor(const PullerRequest& request,
                              const std::vector<ExportedLayer>& layers) {
  const std::string text = CRISP_TRY(ReadFile(request.image_dir + "/config.json"));
  Json config = CRISP_TRY(ParseJson(text, "config"));
  if (!config.is_object()) return DataLoss("config.json is no object");
  Json diff_ids = Json::array();
  for (const ExportedLayer& layer : layers) diff_ids.push_back(layer.digest.ToString());
  config["rootfs"] = {{"type", "layers"}, {"diff_ids", diff_ids}};
  return DumpJson(config);
}

Status WriteArchive(const PullerRequest& request, const std::vector<ExportedLayer>& layers,
                    TarWriter& tar) {
  const std::string config = CRISP_TRY(ConfigFor(request, layers));
  const Digest config_digest = CRISP_TRY(DigestOf(config));
  Json descriptors = Json::array();
  std::vector<Digest> written;
  for (size_t i = 0; i < layers.size(); ++i) {
    const ExportedLayer& layer = layers[i];
    descriptors.push_back(DescriptorOf("layer.v1.tar", layer.digest, layer.size));
    if (std::find(written.begin(), written.end(), layer.digest) != written.end()) continue;
    written.push_back(layer.digest);
    CRISP_RETURN_IF_ERROR(tar.Begin(FileOf(BlobPath(layer.digest), layer.size)));
    CRISP_RETURN_IF_ERROR(Copy(layer, tar).Wrap("layer ", i + 1, " of ", layers.size()));
  }
  const std::string manifest =
      DumpJson({{"schemaVersion", 2},
                {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                {"config", DescriptorOf("config.v1+json", config_digest,
                                        static_cast<int64_t>(config.size()))},
                {"layers", descriptors}});
  const Digest digest = CRISP_TRY(DigestOf(manifest));
  Json entry = DescriptorOf("manifest.v1+json", digest, static_cast<int64_t>(manifest.size()));
  if (!request.name.empty()) entry["annotations"] = {{kRefName, request.name}};
  CRISP_RETURN_IF_ERROR(PutText(BlobPath(config_digest), config, tar));
  CRISP_RETURN_IF_ERROR(PutText(BlobPath(digest), manifest, tar));
  CRISP_RETURN_IF_ERROR(PutText(
      "index.json", DumpJson({{"schemaVersion", 2}, {"manifests", Json::array({entry})}}), tar));
  CRISP_RETURN_IF_ERROR(PutText("oci-layout", R"({"imageLayoutVersion":"1.0.0"})", tar));
  return tar.Finish();
}

}  // namespace

Status ExportImage(const PullerRequest& request) {
  std::vector<ExportedLayer> layers;
  for (size_t i = 0; i < request.layer_keys.size(); ++i) {
    const std::string& key = request.layer_keys[i];
    ExportedLayer layer;
    layer.tree = Cat(request.layers_dir, '/', key);
    const auto& opaque = request.opaque_layers;
    layer.opaque_root = std::find(opaque.begin(), opaque.end(), key) != opaque.end();
    CRISP_RETURN_IF_ERROR(Measure(&layer).Wrap("layer ", i + 1, " of ", request.layer_keys.size()));
    layers.push_back(std::move(layer));
  }
  AtomicFile file = CRISP_TRY(AtomicFile::Create(request.path, 0600));
  TarWriter tar([&file](Bytes bytes) {
    return file.Write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  });
  CRISP_RETURN_IF_ERROR(WriteArchive(request, layers, tar));
  return file.Commit();
}

}  // namespace crisp::image
