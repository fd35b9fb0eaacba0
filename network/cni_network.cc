#include "network/cni_network.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "network/capabilities.h"
#include "network/cni_result.h"
#include "network/cni_version.h"
#include "network/plugin_request.h"

namespace crisp::network {
namespace {

// The path when a namespace is still pinned there, else empty. After a reboot or a half-done undo
// the file may be missing, or there without its mount, and plugins fail on that for ever.
std::string NetnsOrEmpty(const std::string& path) {
  struct statfs info {};
  if (path.empty() || ::statfs(path.c_str(), &info) != 0) return {};
  // Compared unsigned: f_type's sign differs between libcs. /proc/<pid>/ns/net is nsfs too when it
  // is followed; PROC is for kernels before 3.19, where it was not.
  const auto type = static_cast<unsigned long>(info.f_type);
  return type == NSFS_MAGIC || type == PROC_SUPER_MAGIC ? path : std::string();
}

}  // namespace

Result<std::unique_ptr<Network>> Network::Open(Options options) {
  if (options.loop == nullptr || options.telemetry == nullptr) {
    return InvalidArgument("open network: loop and telemetry are required");
  }
  if (options.cache_dir.empty()) return InvalidArgument("open network: cache_dir is required");
  AttachmentCache cache = CRISP_TRY(AttachmentCache::Open(options.cache_dir));
  auto watch = CRISP_TRY(ConfigWatch::Start(options.config_dir, options.loop));
  PluginRunner runner({.plugin_dirs = std::move(options.plugin_dirs),
                       .deadline = options.plugin_deadline,
                       .helper_place = options.helper_place,
                       .reaper = options.reaper,
                       .telemetry = options.telemetry});
  return std::unique_ptr<Network>(std::make_unique<CniNetwork>(
      options.prefer, std::move(watch), std::move(cache), std::move(runner)));
}

Readiness CniNetwork::readiness() const { return watch_->snapshot()->readiness; }

Result<PodAddresses> CniNetwork::AddressesFrom(const std::string& result) const {
  return ChoosePrimary(CRISP_TRY(AddressesOf(result, kPodInterface)), prefer_);
}

Result<CachedAttachment> CniNetwork::FromCurrentConfig(const Attachment& attachment) const {
  const auto snapshot = watch_->snapshot();
  if (!snapshot->config) return FailedPrecondition(snapshot->readiness.message);
  CachedAttachment out;
  out.netns_path = attachment.netns_path;
  out.cni_args = CRISP_TRY(CniArgs(attachment));
  out.capability_arguments = CRISP_TRY(CapabilityArguments(attachment));
  out.config = *snapshot->config;
  return out;
}

Result<std::string> CniNetwork::AddAll(const Attachment& attachment, const CachedAttachment& cached,
                                       const CancelToken& cancel) const {
  std::string result;
  for (const PluginConfig& plugin : cached.config.plugins) {
    CRISP_RETURN_IF_ERROR(cancel.Check());
    const PluginCall call{
        .command = "ADD",
        .type = plugin.type,
        .container_id = attachment.sandbox.str(),
        .netns_path = attachment.netns_path,
        .args = cached.cni_args,
        .request = PluginRequest(cached.config, plugin, cached.capability_arguments, result)};
    const std::string output = CRISP_TRY(runner_.Run(call, cancel));
    result = CRISP_TRY(NormalizeResult(output).Wrap("cni ADD ", plugin.type));
  }
  return result;
}

Result<PodAddresses> CniNetwork::Add(const Attachment& attachment, const CancelToken& cancel) {
  if (!SandboxId::IsWellFormed(attachment.sandbox.str()) || attachment.netns_path.empty()) {
    return InvalidArgument("cni ADD: wanted a sandbox id and the path of its network namespace");
  }
  CachedAttachment cached = CRISP_TRY(FromCurrentConfig(attachment));
  if (cache_.Has(attachment.sandbox)) {
    return AlreadyExists("cni ADD: sandbox ", attachment.sandbox.short_str(),
                         " is attached, or an earlier ADD failed: DEL comes first");
  }
  const std::string where = Cat("network ", cached.config.name);
  // An ADD that cannot run to its end is not begun: its DEL could not run either.
  for (const PluginConfig& plugin : cached.config.plugins) {
    CRISP_TRY(runner_.FindProgram(plugin.type).Wrap(where, ": cni ADD ", plugin.type));
  }
  CRISP_FAILPOINT("network.cache.write");
  CRISP_RETURN_IF_ERROR(cache_.Write(attachment.sandbox, cached));
  cached.result = CRISP_TRY(AddAll(attachment, cached, cancel).Wrap(where));
  // Before it is looked at: also a result that is of no use to us helps DEL.
  CRISP_FAILPOINT("network.cache.update");
  CRISP_RETURN_IF_ERROR(cache_.Write(attachment.sandbox, cached));
  return AddressesFrom(cached.result).Wrap(where);
}

Status CniNetwork::DelAll(const Attachment& attachment, const CachedAttachment& cached,
                          const CancelToken& cancel) const {
  // Spec 0.4.0 brought prevResult to DEL; older plugins know it in ADD only.
  const bool with_result = IsAtLeast(cached.config.cni_version, "0.4.0");
  const std::string netns = NetnsOrEmpty(cached.netns_path);
  const std::vector<PluginConfig>& plugins = cached.config.plugins;
  for (auto it = plugins.rbegin(); it != plugins.rend(); ++it) {
    const PluginConfig& plugin = *it;
    CRISP_RETURN_IF_ERROR(cancel.Check());
    const PluginCall call{
        .command = "DEL",
        .type = plugin.type,
        .container_id = attachment.sandbox.str(),
        .netns_path = netns,
        .args = cached.cni_args,
        .request = PluginRequest(cached.config, plugin, cached.capability_arguments,
                                 with_result ? cached.result : std::string())};
    // Spec section 3, "Deleting an attachment": the first error ends it; the caller tries again.
    CRISP_TRY(runner_.Run(call, cancel));
  }
  return OkStatus();
}

Status CniNetwork::Del(const Attachment& attachment, const CancelToken& cancel) {
  if (!SandboxId::IsWellFormed(attachment.sandbox.str())) {
    return InvalidArgument("cni DEL: wanted a sandbox id");
  }
  auto cached = cache_.Read(attachment.sandbox);
  if (!cached.ok() && cached.status().code() == Code::kNotFound) return OkStatus();
  if (!cached.ok() && cached.status().code() == Code::kDataLoss) {
    log::Warning("cni cache is damaged, deleting by the current configuration",
                 {{"sandbox", attachment.sandbox}, {"error", cached.status()}});
    auto guessed = FromCurrentConfig(attachment);
    if (!guessed.ok()) return std::move(cached).status().Wrap("cni DEL");
    cached = std::move(guessed);
  }
  if (!cached.ok()) return std::move(cached).status();
  CRISP_RETURN_IF_ERROR(DelAll(attachment, *cached, cancel).Wrap("network ", cached->config.name));
  CRISP_FAILPOINT("network.cache.remove");
  return cache_.Remove(attachment.sandbox);
}

Result<PodAddresses> CniNetwork::CachedAddresses(const SandboxId& sandbox) const {
  const CachedAttachment cached = CRISP_TRY(cache_.Read(sandbox));
  if (cached.result.empty()) {
    return NotFound("cni cache: the ADD of sandbox ", sandbox.short_str(), " was never finished");
  }
  return AddressesFrom(cached.result);
}

void CniNetwork::SetPodCidrs(std::vector<std::string> cidrs) {
  std::lock_guard lock(mutex_);
  if (cidrs == pod_cidrs_) return;
  pod_cidrs_ = std::move(cidrs);
  std::string joined;
  for (const std::string& cidr : pod_cidrs_) joined += Cat(joined.empty() ? "" : ",", cidr);
  log::Info("pod ranges announced", {{"cidrs", joined}});
}

}  // namespace crisp::network
