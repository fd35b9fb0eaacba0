// AttachmentCache: what DEL needs, on disk, one file per sandbox.
//
// Format:   <dir>/<sandbox id>.json, one object, version 1:
//             {"crispCniCache": 1, "ifname": "eth0", "netns": "/run/...", "cniArgs": "K=V;...",
//              "capabilities": {...},          capability arguments of the attachment
//              "config": {...},                the network configuration in its list form
//              "result": {...} or null}        the last plugin's result; null until ADD is done
// Persistence: written by rename; not fsynced (README, decisions). A file that cannot be understood
//           is kDataLoss.
// Threads:  any; one sandbox's calls are the caller's to order.
#ifndef CRISP_NETWORK_ATTACHMENT_CACHE_H_
#define CRISP_NETWORK_ATTACHMENT_CACHE_H_

#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/ids.h"
#include "network/network_config.h"

namespace crisp::network {

struct CachedAttachment {
  std::string netns_path;
  std::string cni_args;
  std::string capability_arguments;  // JSON object
  NetworkConfig config;
  std::string result;  // JSON object; empty until ADD is done
};

// The file's text. What is read is kInvalidArgument or kDataLoss when it is not of the format.
std::string AttachmentText(const CachedAttachment& attachment);
Result<CachedAttachment> ParseAttachment(const std::string& text);

class AttachmentCache {
 public:
  // Makes the directory and removes temporary files of a predecessor that was killed.
  static Result<AttachmentCache> Open(std::string dir);

  Status Write(const SandboxId& sandbox, const CachedAttachment& attachment) const;
  // kNotFound when there is none, kDataLoss when it is not readable.
  Result<CachedAttachment> Read(const SandboxId& sandbox) const;
  bool Has(const SandboxId& sandbox) const;
  // Missing is fine.
  Status Remove(const SandboxId& sandbox) const;
  Result<std::vector<SandboxId>> List() const;

 private:
  explicit AttachmentCache(std::string dir) : dir_(std::move(dir)) {}
  std::string PathOf(const SandboxId& sandbox) const;

  std::string dir_;
};

}  // namespace crisp::network

#endif  // CRISP_NETWORK_ATTACHMENT_CACHE_H_
