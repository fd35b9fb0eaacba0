#include "image/image_service.h"

#include <algorithm>
#include <mutex>

#include "base/failpoint.h"
#include "base/log.h"
#include "image/image_store.h"
#include "image/layer_reservations.h"
#include "image/overlay.h"
#include "image/platform.h"
#include "image/pull_session.h"
#include "image/reference.h"
#include "image/registry_endpoints.h"

namespace crisp::image {
namespace {

std::set<std::string> NormalReferences(const std::vector<std::string>& references) {
  std::set<std::string> out;
  for (const std::string& text : references) {
    const auto reference = Reference::Parse(text);
    if (reference.ok()) {
      out.insert(reference->ToString());
    } else {
      log::Warning("pinned image is not a reference", {{"error", reference.status()}});
    }
  }
  return out;
}

// The rows of `reference` for an image that was found under it: a tag, and the digest that the tag
// stood for; by digest only the digest (cri-contract 12.2).
void AddNames(const Reference& reference, NewImage* image) {
  const std::string& id = image->report.id;
  if (reference.digest().empty()) image->names.push_back({reference.ToString(), id, false});
  const std::string& resolved =
      reference.digest().empty() ? image->report.resolved_digest : reference.digest();
  if (!resolved.empty()) image->names.push_back({reference.WithDigest(resolved), id, true});
}

class ImageServiceImpl : public ImageService {
 public:
  ImageServiceImpl(Options options, std::unique_ptr<ImageStore> store)
      : options_(std::move(options)),
        platform_(HostPlatform(options_.default_platform_os, options_.default_platform_arch)),
        pull_seconds_(options_.telemetry->GetHistogram("crisp_image_pull_seconds",
                                                       "Time of successful pulls")),
        pulls_ok_(options_.telemetry->GetCounter("crisp_image_pulls_total", "Pulls by result",
                                                 {{"result", "ok"}})),
        pulls_failed_(options_.telemetry->GetCounter("crisp_image_pulls_total", "Pulls by result",
                                                     {{"result", "error"}})),
        pulled_bytes_(options_.telemetry->GetCounter("crisp_image_pulled_bytes_total",
                                                     "Compressed bytes of layers received")),
        store_(std::move(store)),
        registries_(options_.registries) {}

  std::vector<ImagePtr> List() const override { return store_->List(); }
  Result<ImagePtr> Find(const std::string& reference) const override {
    return store_->Find(reference);
  }
  Result<std::string> Pull(const PullRequest& request) override;
  Result<std::vector<std::string>> Import(const std::string& path,
                                          const std::string& name) override;
  Status Remove(const std::string& reference) override { return store_->Remove(reference); }
  FsInfo GetFsInfo() const override { return store_->GetFsInfo(); }
  Result<LeasePtr> Acquire(const std::string& image_id) override {
    return store_->Acquire(image_id);
  }
  void CollectGarbage() override { store_->AllowDeletion(); }
  Status MountRootfs(const Lease& lease, const std::string& upper, const std::string& work,
                     const std::string& target) override;
  void Reload(std::map<std::string, RegistryOptions> registries,
              std::vector<std::string> pinned_images) override;

 private:
  PullSessionOptions SessionOptions() const {
    return {options_.pull_binary, options_.pull_cgroup_dirs, options_.reaper};
  }
  PullerRequest BaseRequest() const;
  Result<std::string> PullReference(const Reference& reference, const PullRequest& request);

  const Options options_;
  const Platform platform_;
  Histogram& pull_seconds_;
  Counter& pulls_ok_;
  Counter& pulls_failed_;
  Counter& pulled_bytes_;
  LayerReservations reservations_;
  const std::unique_ptr<ImageStore> store_;

  mutable std::mutex mutex_;  // guards what follows
  std::map<std::string, RegistryOptions> registries_;
};

PullerRequest ImageServiceImpl::BaseRequest() const {
  PullerRequest out;
  out.platform = platform_;
  out.parallel_layers = options_.parallel_layers;
  out.stall_seconds = options_.pull_stall_seconds;
  return out;
}

Result<std::string> ImageServiceImpl::Pull(const PullRequest& request) {
  const Reference reference = CRISP_TRY(Reference::Parse(request.reference));
  const MonoTime start = MonoNow();
  Result<std::string> id = PullReference(reference, request);
  store_->Collect();  // layers that only this pull held
  if (!id.ok()) {
    pulls_failed_.Add();
    return std::move(id).Wrap("pull ", reference.ToString());
  }
  pulls_ok_.Add();
  pull_seconds_.Observe(MonoNow() - start);
  log::Info("image pulled", {{"reference", reference.ToString()}, {"image", *id}});
  return id;
}

Result<std::string> ImageServiceImpl::PullReference(const Reference& reference,
                                                    const PullRequest& request) {
  PullerRequest puller = BaseRequest();
  puller.reference = reference.ToString();
  puller.auth = request.auth;
  {
    std::lock_guard lock(mutex_);
    puller.endpoints = EndpointsFor(reference.domain(), registries_, request.auth);
  }
  PullSession session(*store_, reservations_, SessionOptions());
  std::vector<NewImage> images = CRISP_TRY(session.Run(std::move(puller), request.cancel));
  pulled_bytes_.Add(static_cast<uint64_t>(session.received_bytes()));
  if (images.size() != 1) return Internal("crisp-pull reported ", images.size(), " images");
  AddNames(reference, &images[0]);
  CRISP_RETURN_IF_ERROR(request.cancel.Check());
  CRISP_RETURN_IF_ERROR(store_->PublishImages(images));
  return images[0].report.id;
}

Result<std::vector<std::string>> ImageServiceImpl::Import(const std::string& path,
                                                          const std::string& name) {
  if (!path.starts_with('/')) return InvalidArgument("import ", path, ": needs an absolute path");
  if (!name.empty()) (void)CRISP_TRY(Reference::Parse(name));
  PullerRequest puller = BaseRequest();
  puller.operation = PullerRequest::Operation::kImport;
  puller.path = path;
  puller.name = name;
  const auto import = [&]() -> Result<std::vector<std::string>> {
    PullSession session(*store_, reservations_, SessionOptions());
    std::vector<NewImage> images = CRISP_TRY(session.Run(std::move(puller), {}));
    std::vector<std::string> ids;
    for (NewImage& image : images) {
      for (const std::string& one : image.report.names) {
        AddNames(CRISP_TRY(Reference::Parse(one)), &image);
      }
      ids.push_back(image.report.id);
    }
    CRISP_RETURN_IF_ERROR(store_->PublishImages(images));
    return ids;
  };
  Result<std::vector<std::string>> ids = import();
  store_->Collect();
  return std::move(ids).Wrap("import");
}

Status ImageServiceImpl::MountRootfs(const Lease& lease, const std::string& upper,
                                     const std::string& work, const std::string& target) {
  CRISP_FAILPOINT("image.mount_rootfs");
  OverlayOptions options;
  options.lower_root = store_->paths().layers();
  options.lower = LowerNames(LayersOf(lease));
  if (options.lower.empty()) options.lower.push_back(kEmptyLayer);
  options.upper = upper;
  options.work = work;
  options.volatile_upper = true;  // a container is never mounted again after a crash of the node
  return MountOverlay(options, target);
}

void ImageServiceImpl::Reload(std::map<std::string, RegistryOptions> registries,
                              std::vector<std::string> pinned_images) {
  store_->SetPinned(NormalReferences(pinned_images));
  std::lock_guard lock(mutex_);
  registries_ = std::move(registries);
}

}  // namespace

Result<std::unique_ptr<ImageService>> ImageService::Open(Options options) {
  if (!options.root.starts_with('/')) {
    return InvalidArgument("image store: root must be an absolute path, not \"", options.root,
                           "\"");
  }
  StoreOptions store_options;
  store_options.root = options.root;
  store_options.pinned = NormalReferences(options.pinned_images);
  store_options.telemetry = options.telemetry;
  auto store =
      CRISP_TRY(ImageStore::Open(std::move(store_options)).Wrap("image store ", options.root));
  return std::unique_ptr<ImageService>(
      std::make_unique<ImageServiceImpl>(std::move(options), std::move(store)));
}

}  // namespace crisp::image
