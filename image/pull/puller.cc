#include "image/pull/puller.h"

#include "base/core/file.h"
#include "image/pull/image_export.h"
#include "image/pull/layer_set.h"
#include "image/pull/source_image.h"
#include "image/pull/tree_record.h"

namespace crisp::image {
namespace {

// Brings one image's layers in and reports it.
Status BringImage(DaemonLink& daemon, const PullerRequest& request, size_t number,
                  SourceImage image) {
  ImageReport report;
  report.id = image.config_digest.ToString();
  if (image.config_digest.algorithm() != "sha256") {
    return InvalidArgument(
        "the digest of the config (of an artifact: the manifest) must be sha256");
  }
  report.dir = Cat("image", number);
  report.names = image.names;
  report.resolved_digest = image.resolved_digest;
  report.content_bytes = static_cast<int64_t>(image.config.size() + image.manifest.size());
  report.config = image.document.config;
  const std::string dir = Cat(request.tmp_dir, '/', report.dir);
  CRISP_RETURN_IF_ERROR(EnsureDirectory(dir));
  if (!image.config.empty()) {  // an artifact has none
    CRISP_RETURN_IF_ERROR(WriteFile(dir + "/config.json", image.config));
  }
  if (!image.manifest.empty()) {
    CRISP_RETURN_IF_ERROR(WriteFile(dir + "/manifest.json", image.manifest));
  }
  LayerSet layers(daemon, request, Cat("layer", number, '-'), std::move(image.layers));
  CRISP_RETURN_IF_ERROR(layers.Run());
  return daemon.Send(ToJson(report));
}

Status Pull(DaemonLink& daemon, const PullerRequest& request) {
  Registry registry(request, CRISP_TRY(Reference::Parse(request.reference)));
  return BringImage(daemon, request, 0, CRISP_TRY(FindInRegistry(request, registry)));
}

Status Import(DaemonLink& daemon, const PullerRequest& request) {
  const auto archive = CRISP_TRY(ArchiveFiles::Open(request.path, request.tmp_dir));
  std::vector<SourceImage> images = CRISP_TRY(FindInArchive(request, *archive).Wrap(request.path));
  for (size_t i = 0; i < images.size(); ++i) {
    CRISP_RETURN_IF_ERROR(BringImage(daemon, request, i, std::move(images[i])).Wrap(request.path));
  }
  return OkStatus();
}

Status Check(DaemonLink& daemon, const PullerRequest& request) {
  for (const std::string& key : request.layer_keys) {
    CheckedLayer checked;
    checked.key = key;
    const Result<TreeDifferences> found =
        CompareWithRecord(Cat(request.layers_dir, '/', key), Cat(request.records_dir, '/', key));
    checked.has_record = found.ok() || found.status().code() != Code::kNotFound;
    if (found.ok()) {
      checked.difference_count = static_cast<int64_t>(found->count);
      checked.differences = found->first;
    } else if (checked.has_record) {  // then nobody can vouch for the layer
      checked.difference_count = 1;
      checked.differences = {found.status().message()};
    }
    CRISP_RETURN_IF_ERROR(daemon.Send(ToJson(checked)));
  }
  return OkStatus();
}

Status Serve(DaemonLink& daemon, const PullerRequest& request) {
  switch (request.operation) {
    case PullerRequest::Operation::kPull:
      return Pull(daemon, request);
    case PullerRequest::Operation::kImport:
      return Import(daemon, request);
    case PullerRequest::Operation::kCheck:
      return Check(daemon, request);
    case PullerRequest::Operation::kExport:
      return ExportImage(request).Wrap(request.path);
  }
  return Internal("an operation of another version");
}

}  // namespace

Status RunPuller(DaemonLink& daemon) {
  auto request = daemon.ReceiveRequest();
  if (!request.ok()) return std::move(request).status();
  daemon.StartReceiving();
  const Status status = Serve(daemon, *request);
  CRISP_RETURN_IF_ERROR(daemon.Send(status.ok() ? Json{{"type", "done"}} : ErrorToJson(status)));
  return status;
}

}  // namespace crisp::image
