// CniNetwork: the Network of crisp, made of the watched configuration, the plugin runner and the
// cache. See network.h for the contract.
//
// An attachment on disk and in the kernel:
//
//   (none) --write cache--> ADDING --all plugins, result cached--> ATTACHED
//                              |                                      |
//                              +------------- DEL fails: stays -------+
//                              +-- DEL of all plugins --> (none), cache file removed last
//
// Threads: no member changes after Open, but `pod_cidrs_` under its mutex.
#ifndef CRISP_NETWORK_CNI_NETWORK_H_
#define CRISP_NETWORK_CNI_NETWORK_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "network/attachment_cache.h"
#include "network/config_watch.h"
#include "network/network.h"
#include "network/plugin_runner.h"

namespace crisp::network {

class CniNetwork : public Network {
 public:
  CniNetwork(AddressPreference prefer, std::shared_ptr<ConfigWatch> watch, AttachmentCache cache,
             PluginRunner runner)
      : prefer_(prefer),
        watch_(std::move(watch)),
        cache_(std::move(cache)),
        runner_(std::move(runner)) {}

  Readiness readiness() const override;
  Result<PodAddresses> Add(const Attachment& attachment, const CancelToken& cancel) override;
  Status Del(const Attachment& attachment, const CancelToken& cancel) override;
  Result<std::vector<SandboxId>> ListCached() const override { return cache_.List(); }
  Result<PodAddresses> CachedAddresses(const SandboxId& sandbox) const override;
  void SetPodCidrs(std::vector<std::string> cidrs) override;

 private:
  // Runs ADD of all plugins; the result of the last one.
  Result<std::string> AddAll(const Attachment& attachment, const CachedAttachment& cached,
                             const CancelToken& cancel) const;
  Status DelAll(const Attachment& attachment, const CachedAttachment& cached,
                const CancelToken& cancel) const;
  // What an ADD of today would write: the best guess when the cache file is damaged.
  Result<CachedAttachment> FromCurrentConfig(const Attachment& attachment) const;
  Result<PodAddresses> AddressesFrom(const std::string& result) const;

  const AddressPreference prefer_;
  const std::shared_ptr<ConfigWatch> watch_;
  const AttachmentCache cache_;
  const PluginRunner runner_;

  std::mutex mutex_;  // guards what follows
  std::vector<std::string> pod_cidrs_;
};

}  // namespace crisp::network

#endif  // CRISP_NETWORK_CNI_NETWORK_H_
