#include "image/image_service.h"

#include <algorithm>
#include <list>
#include <mutex>

#include "base/core/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "image/image_store.h"
#include "image/layer_reservations.h"
#include "image/overlay.h"
#include "image/platform.h"
#include "image/policy/policy_files.h"
#include "image/policy/signature_demand.h"
#include "image/pull_session.h"
#include "image/read_only_mount.h"
#include "image/reference.h"
#include "image/registry/registry_resolver.h"
#include "image/transfer_slots.h"

namespace crisp::image {
namespace {

PinnedImages Pinned(const std::vector<std::string>& patterns) {
  Status mistake;
  PinnedImages out(patterns, &mistake);
  if (!mistake.ok()) log::Warning("pinned image is left out", {{"error", mistake}});
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

std::string ShownName(const ImageStore::LayerUser& image) {
  return !image.tags.empty()      ? image.tags[0]
         : !image.digests.empty() ? image.digests[0]
                                  : image.image_id;
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
        pulls_active_(options_.telemetry->GetGauge("crisp_image_pulls_active",
                                                   "Pulls and imports under way")),
        slots_({options_.parallel_pulls, options_.transfers}),
        store_(std::move(store)),
        decryption_keys_path_(options_.decryption_keys_path) {
    auto resolver = RegistryResolver::Load(options_.registries, options_.registry_files);
    if (resolver.ok()) {
      resolver_ = std::move(resolver).value();
      return;
    }
    // A mistake in a file that is not crisp's must not keep the node's pods from running; but
    // nothing may be pulled past it: it could have blocked a registry.
    log::Error("no image can be pulled until this is repaired and the configuration reloaded",
               {{"error", resolver.status()}});
    resolver_failure_ = std::move(resolver).status();
  }

  std::vector<ImagePtr> List() const override { return store_->List(); }
  Result<ImagePtr> Find(const std::string& reference) const override {
    return FindBy(reference, /*hidden_too=*/false);
  }
  Result<std::string> Pull(const PullRequest& request) override;
  Result<std::vector<std::string>> Import(const std::string& path, const std::string& name,
                                          const CancelToken& cancel) override;
  std::vector<PullProgress> Pulls() const override;
  Status Export(const std::string& reference, const std::string& path,
                const CancelToken& cancel) override;
  Status Remove(const std::string& reference) override;
  Result<CheckReport> Check(bool repair, const CancelToken& cancel) override;
  Collected Collect() override;
  FsInfo GetFsInfo() const override { return store_->GetFsInfo(); }
  Result<LeasePtr> Acquire(const std::string& image_id) override {
    return store_->Acquire(image_id);
  }
  void CollectGarbage() override { store_->AllowDeletion(); }
  Status MountRootfs(const Lease& lease, const std::string& upper, const std::string& work,
                     const std::string& target, const MountOptions& options) override;
  Status MountImage(const Lease& lease, const std::string& target,
                    const MountOptions& options) override;
  Status Reload(Reloadable next) override;

 private:
  class ActivePull;
  PullSessionOptions SessionOptions(ActivePull* pull);
  PullerRequest BaseRequest() const;
  Result<std::shared_ptr<const RegistryResolver>> resolver() const;
  Result<ImagePtr> FindBy(const std::string& reference, bool hidden_too) const;
  // What a check has found, and what is to be pulled again, in the same order.
  struct CheckState {
    CheckReport report;
    std::vector<std::string> damaged_layers;  // keys
    std::vector<ImageStore::LayerUser> damaged_images;
  };
  Status JudgeLayer(CheckedLayer checked, const ImageStore::Checkable& what, CheckState* out);
  Status JudgeImage(const CheckedLayer& checked, const ImageStore::Checkable& what,
                    CheckState* out);
  void RepairAll(const CancelToken& cancel, CheckState* state);
  std::string PullAgain(const std::vector<ImageStore::LayerUser>& users, const CancelToken& cancel,
                        const std::function<bool()>& is_good);
  Result<std::string> PullReference(const RegistryResolver& resolver, const Reference& reference,
                                    const PullRequest& request);

  const Options options_;
  const Platform platform_;
  Histogram& pull_seconds_;
  Counter& pulls_ok_;
  Counter& pulls_failed_;
  Counter& pulled_bytes_;
  Gauge& pulls_active_;
  LayerReservations reservations_;
  TransferSlots slots_;
  const std::unique_ptr<ImageStore> store_;

  mutable std::mutex mutex_;  // guards what follows
  std::string decryption_keys_path_;
  std::shared_ptr<const RegistryResolver> resolver_;
  Status resolver_failure_;  // when there is none
  std::list<PullProgress> pulls_;
};

// In the list of pulls as long as it lives.
class ImageServiceImpl::ActivePull {
 public:
  ActivePull(ImageServiceImpl& service, std::string requested, std::string reference)
      : service_(service) {
    PullProgress progress;
    progress.requested = std::move(requested);
    progress.reference = std::move(reference);
    progress.started_ns = WallNowNs();
    std::lock_guard lock(service_.mutex_);
    at_ = service_.pulls_.insert(service_.pulls_.end(), std::move(progress));
    service_.pulls_active_.Add(1);
  }
  ~ActivePull() {
    std::lock_guard lock(service_.mutex_);
    service_.pulls_.erase(at_);
    service_.pulls_active_.Add(-1);
  }
  void Report(const PullProgress& now) {
    std::lock_guard lock(service_.mutex_);
    if (now.bytes_received > at_->bytes_received) {
      service_.pulled_bytes_.Add(static_cast<uint64_t>(now.bytes_received - at_->bytes_received));
    }
    PullProgress next = now;
    next.requested = std::move(at_->requested);
    next.reference = std::move(at_->reference);
    next.started_ns = at_->started_ns;
    *at_ = std::move(next);
  }

 private:
  ImageServiceImpl& service_;
  std::list<PullProgress>::iterator at_;
};

PullSessionOptions ImageServiceImpl::SessionOptions(ActivePull* pull) {
  return {options_.pull_binary, options_.pull_cgroup_dirs, options_.reaper,
          options_.parallel_layers,
          [pull](const PullProgress& progress) { pull->Report(progress); }};
}

std::vector<PullProgress> ImageServiceImpl::Pulls() const {
  std::lock_guard lock(mutex_);
  return {pulls_.begin(), pulls_.end()};
}

PullerRequest ImageServiceImpl::BaseRequest() const {
  PullerRequest out;
  out.platform = platform_;
  out.parallel_layers = options_.parallel_layers;
  out.parallel_ranges = options_.parallel_ranges;
  out.stall_seconds = options_.pull_stall_seconds;
  out.max_layer_bytes = options_.max_layer_bytes;
  std::lock_guard lock(mutex_);
  out.decryption_keys_path = decryption_keys_path_;
  return out;
}

Result<std::shared_ptr<const RegistryResolver>> ImageServiceImpl::resolver() const {
  std::lock_guard lock(mutex_);
  if (resolver_ == nullptr) return Status(Code::kFailedPrecondition, resolver_failure_.message());
  return resolver_;
}

Result<ImagePtr> ImageServiceImpl::FindBy(const std::string& reference, bool hidden_too) const {
  const auto known = resolver();
  const bool is_id = reference.starts_with("sha256:");
  const auto candidates = known.ok() && !is_id
                              ? (*known)->Candidates(reference)
                              : Result<std::vector<Reference>>(NotFound("candidates"));
  if (candidates.ok()) {
    for (const Reference& candidate : *candidates) {
      Result<ImagePtr> found = store_->Find(candidate.ToString(), hidden_too);
      if (!found.ok() || *found != nullptr) return found;
    }
  }
  return store_->Find(reference, hidden_too);
}

Status ImageServiceImpl::Remove(const std::string& reference) {
  const ImagePtr image = CRISP_TRY(FindBy(reference, /*hidden_too=*/true));
  return image != nullptr ? store_->Remove(image->id) : OkStatus();
}

Result<std::string> ImageServiceImpl::Pull(const PullRequest& request) {
  const auto known = CRISP_TRY(resolver());
  const std::vector<Reference> candidates = CRISP_TRY(known->Candidates(request.reference));
  const MonoTime start = MonoNow();
  Status failure;
  for (const Reference& reference : candidates) {
    Result<std::string> id = PullReference(*known, reference, request);
    store_->Collect();  // layers that only this pull held
    if (id.ok()) {
      pulls_ok_.Add();
      pull_seconds_.Observe(MonoNow() - start);
      log::Info("image pulled", {{"reference", reference.ToString()}, {"image", *id}});
      return id;
    }
    Status one = std::move(id).status().Wrap("pull ", reference.ToString());
    if (failure.ok()) {
      failure = std::move(one);
    } else {  // a refused signature stays one when the next candidate is not there
      const Status& kind = IsSignatureRefusal(failure) ? failure : one;
      failure = Status(kind.code(), Cat(failure.message(), "; ", one.message()), kind.sys_errno());
    }
    if (request.cancel.cancelled()) break;
  }
  pulls_failed_.Add();
  return failure;
}

Result<std::string> ImageServiceImpl::PullReference(const RegistryResolver& resolver,
                                                    const Reference& reference,
                                                    const PullRequest& request) {
  PullerRequest puller = BaseRequest();
  puller.reference = reference.ToString();
  puller.signatures = CRISP_TRY(DemandFor(options_.signatures, reference, request.pod_namespace));
  puller.endpoints =
      CRISP_TRY(resolver.Endpoints(reference, {request.auth, request.pod_namespace}));
  ActivePull active(*this, request.reference, reference.ToString());
  PullSession session(*store_, reservations_, slots_, SessionOptions(&active));
  std::vector<NewImage> images = CRISP_TRY(session.Run(std::move(puller), request.cancel));
  if (images.size() != 1) return Internal("crisp-pull reported ", images.size(), " images");
  AddNames(reference, &images[0]);
  CRISP_RETURN_IF_ERROR(request.cancel.Check());
  CRISP_RETURN_IF_ERROR(store_->PublishImages(images));
  return images[0].report.id;
}

Result<std::vector<std::string>> ImageServiceImpl::Import(const std::string& path,
                                                          const std::string& name,
                                                          const CancelToken& cancel) {
  if (!path.starts_with('/')) return InvalidArgument("import ", path, ": needs an absolute path");
  if (!name.empty()) (void)CRISP_TRY(Reference::Parse(name));
  PullerRequest puller = BaseRequest();
  puller.operation = PullerRequest::Operation::kImport;
  puller.path = path;
  puller.name = name;
  const auto import = [&]() -> Result<std::vector<std::string>> {
    ActivePull active(*this, path, path);
    PullSession session(*store_, reservations_, slots_, SessionOptions(&active));
    std::vector<NewImage> images = CRISP_TRY(session.Run(std::move(puller), cancel));
    std::vector<std::string> ids;
    for (NewImage& image : images) {
      for (const std::string& one : image.report.names) {
        AddNames(CRISP_TRY(Reference::Parse(one)), &image);
      }
      ids.push_back(image.report.id);
    }
    CRISP_RETURN_IF_ERROR(cancel.Check());
    CRISP_RETURN_IF_ERROR(store_->PublishImages(images));
    return ids;
  };
  Result<std::vector<std::string>> ids = import();
  store_->Collect();
  return std::move(ids).Wrap("import");
}

Result<CheckReport> ImageServiceImpl::Check(bool repair, const CancelToken& cancel) {
  // Held: layers stay while they are looked at.
  std::map<std::string, ImageStore::Checkable> checkables = store_->Checkables();
  PullerRequest request;
  for (const auto& [key, what] : checkables) {
    const bool is_artifact = what.image != nullptr && !what.image->config.artifact_type.empty();
    (what.layer != nullptr ? request.layer_keys
     : is_artifact         ? request.artifact_ids
                           : request.image_ids)
        .push_back(key);
  }
  CheckState state;
  const auto judge = [&](CheckedLayer checked) -> Status {
    const auto what = checkables.find(checked.key);
    if (what == checkables.end()) return Internal("crisp-pull checked what is not there");
    return what->second.layer != nullptr ? JudgeLayer(std::move(checked), what->second, &state)
                                         : JudgeImage(checked, what->second, &state);
  };
  {
    ActivePull active(*this, "check", "check");
    PullSession session(*store_, reservations_, slots_, SessionOptions(&active));
    Status status = session.Check(std::move(request), judge, cancel);
    if (!status.ok()) {
      checkables.clear();
      store_->Collect();  // what nobody else held any more
      return std::move(status).Wrap("check");
    }
  }
  if (repair) RepairAll(cancel, &state);
  checkables.clear();
  state.report.strangers = CRISP_TRY(store_->FindStrangers(repair));
  store_->Collect();
  return std::move(state.report);
}

Status ImageServiceImpl::JudgeLayer(CheckedLayer checked, const ImageStore::Checkable& what,
                                    CheckState* out) {
  CheckReport& report = out->report;
  (checked.has_record ? report.layers_checked : report.layers_without_record) += 1;
  if (checked.difference_count == 0) return OkStatus();
  if (!CRISP_TRY(store_->Quarantine(checked.key, what.generation))) return OkStatus();
  DamagedLayer damaged;
  damaged.diff_id = what.layer->diff_id;
  damaged.differences = std::move(checked.differences);
  damaged.difference_count = static_cast<size_t>(checked.difference_count);
  for (const ImageStore::LayerUser& user : store_->UsersOf(checked.key)) {
    damaged.images.push_back(ShownName(user));
  }
  log::Error("layer is damaged; its images are quarantined",
             {{"layer", damaged.diff_id}, {"first", damaged.differences.at(0)}});
  report.damaged.push_back(std::move(damaged));
  out->damaged_layers.push_back(checked.key);
  return OkStatus();
}

Status ImageServiceImpl::JudgeImage(const CheckedLayer& checked, const ImageStore::Checkable& what,
                                    CheckState* out) {
  ++out->report.images_checked;
  if (checked.difference_count == 0) return OkStatus();
  ImageStore::LayerUser names = store_->NamesOf(checked.key);
  if (!CRISP_TRY(store_->QuarantineImage(checked.key, what.generation))) return OkStatus();
  DamagedImage damaged;
  damaged.id = checked.key;
  damaged.name = ShownName(names);
  damaged.difference = checked.differences.at(0);
  log::Error("image is damaged and quarantined",
             {{"image", damaged.id}, {"difference", damaged.difference}});
  out->report.damaged_images.push_back(std::move(damaged));
  out->damaged_images.push_back(std::move(names));
  return OkStatus();
}

void ImageServiceImpl::RepairAll(const CancelToken& cancel, CheckState* state) {
  for (size_t i = 0; i < state->damaged_images.size(); ++i) {
    const ImageStore::LayerUser& names = state->damaged_images[i];
    DamagedImage& damaged = state->report.damaged_images[i];
    damaged.repair_error =
        PullAgain({names}, cancel, [&] { return !store_->IsDamaged(names.image_id); });
    damaged.repaired = damaged.repair_error.empty();
  }
  for (size_t i = 0; i < state->damaged_layers.size(); ++i) {
    const std::string& key = state->damaged_layers[i];
    DamagedLayer& damaged = state->report.damaged[i];
    damaged.repair_error =
        PullAgain(store_->UsersOf(key), cancel, [&] { return !store_->IsQuarantined(key); });
    damaged.repaired = damaged.repair_error.empty();
  }
}

// Any of these images brings it back, as long as its registry still has what the digest names. The
// error, or "".
std::string ImageServiceImpl::PullAgain(const std::vector<ImageStore::LayerUser>& users,
                                        const CancelToken& cancel,
                                        const std::function<bool()>& is_good) {
  if (is_good()) return "";  // another repair has brought it
  std::string error = "no image that has it came from a registry; import it again";
  for (const ImageStore::LayerUser& user : users) {
    for (const std::string& digest : user.digests) {
      PullRequest request;
      request.reference = digest;
      request.cancel = cancel;
      const Result<std::string> pulled = Pull(request);
      if (pulled.ok() && is_good()) return "";
      if (!pulled.ok()) error = pulled.status().message();
    }
  }
  return error;
}

Collected ImageServiceImpl::Collect() {
  const FsInfo before = store_->GetFsInfo();
  const size_t layers = store_->Layers().size();
  store_->Collect();
  store_->FinishBackgroundWork();
  const FsInfo after = store_->GetFsInfo();
  Collected out;
  const size_t left = store_->Layers().size();
  out.layers = layers > left ? layers - left : 0;
  out.bytes = before.used_bytes > after.used_bytes ? before.used_bytes - after.used_bytes : 0;
  return out;
}

Status ImageServiceImpl::Export(const std::string& reference, const std::string& path,
                                const CancelToken& cancel) {
  if (!path.starts_with('/'))
    return InvalidArgument("export to ", path, ": needs an absolute path");
  const ImagePtr image = CRISP_TRY(Find(reference));
  if (image == nullptr) return NotFound("export: no image ", reference);
  if (!image->config.artifact_type.empty()) {
    return FailedPrecondition("export: ", reference, " is an OCI artifact of the type ",
                              image->config.artifact_type,
                              "; only container images can be exported");
  }
  const LeasePtr lease = CRISP_TRY(store_->Acquire(image->id));
  PullerRequest request = BaseRequest();
  request.operation = PullerRequest::Operation::kExport;
  request.path = path;
  if (!image->repo_tags.empty()) request.name = image->repo_tags[0];
  request.image_dir = Cat(store_->paths().images(), '/', StorePaths::ImageDirName(image->id));
  for (const LayerPtr& layer : LayersOf(*lease)) {
    request.layer_keys.push_back(layer->key);
    if (layer->opaque_root) request.opaque_layers.push_back(layer->key);
  }
  ActivePull active(*this, path, path);
  PullSession session(*store_, reservations_, slots_, SessionOptions(&active));
  return session.Run(std::move(request), cancel).status().Wrap("export");
}

Status ImageServiceImpl::MountRootfs(const Lease& lease, const std::string& upper,
                                     const std::string& work, const std::string& target,
                                     const MountOptions& options) {
  CRISP_FAILPOINT("image.mount_rootfs");
  OverlayOptions overlay;
  overlay.lower_root = store_->paths().layers();
  overlay.lower = LowerNames(LayersOf(lease));
  if (overlay.lower.empty()) overlay.lower.push_back(kEmptyLayer);
  overlay.upper = upper;
  overlay.work = work;
  overlay.user_namespace = options.user_namespace;
  overlay.label = options.label;
  overlay.volatile_upper = true;  // a container is never mounted again after a crash of the node
  return MountOverlay(overlay, target);
}

Status ImageServiceImpl::MountImage(const Lease& lease, const std::string& target,
                                    const MountOptions& options) {
  CRISP_FAILPOINT("image.mount_image");
  return MountReadOnly(store_->paths().layers(), LowerNames(LayersOf(lease)), target, options);
}

Status ImageServiceImpl::Reload(Reloadable next) {
  auto resolver =
      CRISP_TRY(RegistryResolver::Load(std::move(next.registries), options_.registry_files));
  store_->SetPinned(Pinned(next.pinned_images));
  std::lock_guard lock(mutex_);
  resolver_ = std::move(resolver);
  decryption_keys_path_ = std::move(next.decryption_keys_path);
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<ImageService>> ImageService::Open(Options options) {
  if (!options.root.starts_with('/')) {
    return InvalidArgument("image store: root must be an absolute path, not \"", options.root,
                           "\"");
  }
  StoreOptions store_options;
  store_options.root = options.root;
  store_options.pinned = Pinned(options.pinned_images);
  store_options.telemetry = options.telemetry;
  store_options.prepare_layers = options.prepare_layers;
  auto store =
      CRISP_TRY(ImageStore::Open(std::move(store_options)).Wrap("image store ", options.root));
  return std::unique_ptr<ImageService>(
      std::make_unique<ImageServiceImpl>(std::move(options), std::move(store)));
}

}  // namespace crisp::image
