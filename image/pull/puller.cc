#include "image/pull/puller.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/core/file.h"
#include "base/failpoint.h"
#include "image/pull/hasher.h"
#include "image/pull/image_export.h"
#include "image/pull/layer_set.h"
#include "image/pull/memory_limit.h"
#include "image/pull/source_image.h"
#include "image/pull/tree_record.h"
#include "image/store_paths.h"

namespace crisp::image {
namespace {

Status SyncFiles(const std::vector<std::string>& paths) {
  CRISP_FAILPOINT("image.files.sync");
  for (const std::string& path : paths) {
    const UniqueFd file = CRISP_TRY(OpenFile(path, O_RDONLY));
    if (::fsync(file.get()) != 0) return Errno("sync ", path);
  }
  return OkStatus();
}

// Brings one image's layers in and reports it. Its own files are on disk by then: rows of images
// have no mark that tells, after a power cut, whether a sync came behind them.
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
  std::vector<std::string> files;
  if (!image.config.empty()) {  // an artifact has none
    files.push_back(dir + "/config.json");
    CRISP_RETURN_IF_ERROR(WriteFile(files.back(), image.config));
  }
  if (!image.manifest.empty()) {
    files.push_back(dir + "/manifest.json");
    CRISP_RETURN_IF_ERROR(WriteFile(files.back(), image.manifest));
  }
  LayerSet layers(daemon, request, Cat("layer", number, '-'), std::move(image.layers));
  Status synced;
  // From now on, when there is nothing else to be written, and while the layers come.
  std::thread syncing([&] { synced = SyncFiles(files); });
  Status fetched = layers.Run();
  syncing.join();
  CRISP_RETURN_IF_ERROR(std::move(fetched));
  CRISP_RETURN_IF_ERROR(std::move(synced));
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

// OK: the file is there and has this digest.
Status CheckFile(const std::string& path, const std::string& digest) {
  const UniqueFd file = CRISP_TRY(OpenFile(path, O_RDONLY | O_NONBLOCK));
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return Errno("stat");
  if (!S_ISREG(info.st_mode) || info.st_size > static_cast<off_t>(kMaxJsonBytes)) {
    return DataLoss("is no file of at most ", kMaxJsonBytes, " bytes");
  }
  const std::string text = CRISP_TRY(ReadAll(file.get(), kMaxJsonBytes));
  Hasher hasher("sha256");
  hasher.Update(Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  const Digest actual = CRISP_TRY(hasher.Finish());
  if (actual.ToString() == digest) return OkStatus();
  return DataLoss("has the digest ", actual.ToString());
}

Status CheckImage(DaemonLink& daemon, const PullerRequest& request, const std::string& id,
                  const std::string& file) {
  const std::string path = Cat(request.image_dir, '/', StorePaths::ImageDirName(id), '/', file);
  CheckedLayer checked;
  checked.key = id;
  checked.has_record = true;
  if (Status found = CheckFile(path, id); !found.ok()) {
    if (!MeansDamage(found)) return std::move(found).Wrap(id, ": ", file);
    checked.difference_count = 1;
    checked.differences = {Cat(file, ": ", found.message())};
  }
  return daemon.Send(ToJson(checked));
}

Status Check(DaemonLink& daemon, const PullerRequest& request) {
  for (const std::string& id : request.image_ids) {
    CRISP_RETURN_IF_ERROR(CheckImage(daemon, request, id, "config.json"));
  }
  for (const std::string& id : request.artifact_ids) {
    CRISP_RETURN_IF_ERROR(CheckImage(daemon, request, id, "manifest.json"));
  }
  for (const std::string& key : request.layer_keys) {
    CheckedLayer checked;
    checked.key = key;
    Result<TreeDifferences> found =
        CompareWithRecord(Cat(request.layers_dir, '/', key), Cat(request.records_dir, '/', key));
    checked.has_record = found.ok() || found.status().code() != Code::kNotFound;
    if (found.ok()) {
      checked.difference_count = static_cast<int64_t>(found->count);
      checked.differences = found->first;
    } else if (checked.has_record) {  // damage: nobody can vouch for the layer
      if (!MeansDamage(found.status())) return std::move(found).status().Wrap("layer ", key);
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

Status RunPuller(DaemonLink& daemon, const Status& ready) {
  auto request = daemon.ReceiveRequest();
  if (!request.ok()) return std::move(request).status();
  Status status = ready.ok() ? LimitMemory(request->parallel_layers) : ready;
  daemon.StartReceiving();
  if (status.ok()) status = Serve(daemon, *request);
  CRISP_RETURN_IF_ERROR(daemon.Send(status.ok() ? Json{{"type", "done"}} : ErrorToJson(status)));
  return status;
}

}  // namespace crisp::image
