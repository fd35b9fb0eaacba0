// HostsFile: how a registry host is reached, from a directory certs.d/<host>/.
//
// What:    containerd's hosts.toml, or, without one, docker's and containers' certificates: *.crt
//          are authorities, *.cert with *.key of the same name is the client's certificate.
// Contract: containerd docs/hosts.md; containers-certs.d(5). Read anew at every pull. dial_timeout
//          and all but the first client certificate are not used.
// Threads: free functions, plain values.
// Errors:  kInvalidArgument with file, line and key.
#ifndef CRISP_IMAGE_REGISTRY_HOSTS_TOML_H_
#define CRISP_IMAGE_REGISTRY_HOSTS_TOML_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "image/image_service.h"

namespace crisp::image {

struct HostsFile {
  struct Host {
    std::string url;             // "https://mirror:5000" or with a path; no slash at the end
    bool override_path = false;  // the path is the API's root: no /v2 behind it
    bool resolve = true;         // may say which digest a tag has
    bool pull = true;            // may be asked for what a digest names
    EndpointOptions endpoint;    // its plain_http is not used: the scheme says it
  };
  std::vector<Host> hosts;     // in the order of the file
  std::optional<Host> server;  // tried last; none: the registry's own address
  // Without `server`: what the top level says about certificates, for the registry's own address.
  EndpointOptions defaults;
};

// `directory` is what relative names of certificates belong to.
Result<HostsFile> ParseHostsToml(std::string_view text, const std::string& file,
                                 const std::string& directory);

// Looks in the directories in order for <host>/ ("host:port", or "host_port_" as containerd also
// spells it); empty: there is none.
Result<std::optional<HostsFile>> FindHostsFile(const std::vector<std::string>& certs_dirs,
                                               const std::string& host);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_REGISTRY_HOSTS_TOML_H_
