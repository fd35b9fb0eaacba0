// RegistryResolver: which addresses an image is pulled from, in which order, with which
// certificates, headers and credentials; and what a short name stands for.
//
// What:    per name the first of these that says something about it:
//            1. crisp's own section for the registry's host (configuration, image.registries)
//            2. registries.conf: the longest prefix
//            3. certs.d/<host>/hosts.toml
//            4. crisp's section "_default", then certs.d/_default
//            5. nothing: the registry itself
//          "blocked" in 1 or 2 always holds. Certificates of an address whose own entry names none
//          come from certs.d/<host>, else from 4 (without headers). Registries on this machine's
//          loopback speak plain HTTP unless something names TLS settings; all others HTTPS.
// Secrets: the credentials of a request go to the registry itself (if server_address is empty or
//          names it), or to the mirror that server_address names; those of credential files to the
//          host that they are filed under. Nothing else gets any.
// Contract: cri-contract 12.1, 12.3; the files: registries_conf.h, hosts_toml.h, credentials.h.
// Threads: immutable after Load; certs.d and credentials are read at each call.
// Errors:  kPermissionDenied for a blocked registry, kInvalidArgument naming file and line.
#ifndef CRISP_IMAGE_REGISTRY_REGISTRY_RESOLVER_H_
#define CRISP_IMAGE_REGISTRY_REGISTRY_RESOLVER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/image_service.h"
#include "image/puller_protocol.h"
#include "image/reference.h"
#include "image/registry/credentials.h"
#include "image/registry/hosts_toml.h"
#include "image/registry/registries_conf.h"

namespace crisp::image {

// Who asks.
struct PullIdentity {
  RegistryAuth auth;
  std::string pod_namespace;
};

class RegistryResolver {
 public:
  static Result<std::shared_ptr<const RegistryResolver>> Load(
      std::map<std::string, RegistryOptions> registries, RegistryFiles files);

  // In order; never empty.
  Result<std::vector<PullerEndpoint>> Endpoints(const Reference& reference,
                                                const PullIdentity& who) const;
  // What `text` may mean, best first; never empty. Only names without a registry have several
  // meanings, and only where registries.conf says so.
  Result<std::vector<Reference>> Candidates(const std::string& text) const;

 private:
  RegistryResolver(std::map<std::string, RegistryOptions> registries, RegistryFiles files)
      : registries_(std::move(registries)), files_(std::move(files)) {}

  const RegistryOptions* FindSection(const std::string& host) const;
  Status CheckBlocked(const Reference& reference) const;
  Result<std::vector<PullerEndpoint>> Plan(const Reference& reference) const;
  Result<std::vector<PullerEndpoint>> FromSection(const Reference& reference,
                                                  const RegistryOptions& section) const;
  Result<std::vector<PullerEndpoint>> FromConf(const Reference& reference,
                                               const RegistriesConf::Match& match) const;
  Result<std::vector<PullerEndpoint>> FromHosts(const Reference& reference,
                                                const HostsFile& hosts) const;
  // The address of `host` itself, with what is known about it.
  Result<PullerEndpoint> EndpointOf(const std::string& host, const std::string& repository) const;
  Result<PullerEndpoint> MirrorEndpoint(const MirrorOptions& mirror,
                                        const std::string& repository) const;
  Result<EndpointOptions> DefaultOptions() const;
  Result<EndpointOptions> OptionsOf(const std::string& host) const;
  // `name`: host/repository. With `insecure` first over TLS without verification, then without.
  Status AddLocation(const std::string& name, bool insecure,
                     std::vector<PullerEndpoint>* out) const;
  Status GiveCredentials(const Reference& reference, const PullIdentity& who,
                         std::vector<PullerEndpoint>* endpoints) const;

  const std::map<std::string, RegistryOptions> registries_;
  const RegistryFiles files_;
  RegistriesConf conf_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_REGISTRY_REGISTRY_RESOLVER_H_
