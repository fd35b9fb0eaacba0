#include "image/registry_endpoints.h"

#include <algorithm>

namespace crisp::image {
namespace {

// "https://index.docker.io/v1/" = "docker.io"; "registry:5000/" = "registry:5000".
std::string HostOf(std::string address) {
  if (const size_t scheme = address.find("://"); scheme != std::string::npos) {
    address.erase(0, scheme + 3);
  }
  address.resize(std::min(address.size(), address.find('/')));
  if (address == "index.docker.io" || address == "registry-1.docker.io") return "docker.io";
  return address;
}

bool IsLoopback(const std::string& host) {
  const std::string name =
      host.starts_with('[') ? host.substr(0, host.find(']') + 1) : host.substr(0, host.find(':'));
  return name == "localhost" || name == "[::1]" || name.starts_with("127.");
}

PullerEndpoint EndpointOf(const std::string& address,
                          const std::map<std::string, RegistryOptions>& registries) {
  const std::string host = HostOf(address);
  PullerEndpoint endpoint;
  bool plain = IsLoopback(host);
  if (const auto it = registries.find(host); it != registries.end()) {
    const RegistryOptions& options = it->second;
    const bool has_tls_settings = options.skip_tls_verify || !options.ca_file.empty();
    plain = options.plain_http || (plain && !has_tls_settings);
    endpoint.skip_tls_verify = options.skip_tls_verify;
    endpoint.ca_file = options.ca_file;
  }
  if (address.find("://") != std::string::npos && HostOf(address) != "docker.io") {
    endpoint.url = address;
    while (endpoint.url.ends_with('/')) endpoint.url.pop_back();
    return endpoint;
  }
  // docker.io is a name; its registry is at another address.
  const std::string real = host == "docker.io" ? "registry-1.docker.io" : host;
  endpoint.url = Cat(plain ? "http://" : "https://", real);
  return endpoint;
}

}  // namespace

std::vector<PullerEndpoint> EndpointsFor(const std::string& domain,
                                         const std::map<std::string, RegistryOptions>& registries,
                                         const RegistryAuth& auth) {
  const std::string auth_host = HostOf(auth.server_address);
  std::vector<PullerEndpoint> out;
  if (const auto it = registries.find(domain); it != registries.end()) {
    for (const std::string& mirror : it->second.mirrors) {
      PullerEndpoint endpoint = EndpointOf(mirror, registries);
      endpoint.send_credentials = !auth_host.empty() && auth_host == HostOf(mirror);
      out.push_back(std::move(endpoint));
    }
  }
  PullerEndpoint registry = EndpointOf(domain, registries);
  registry.send_credentials = auth_host.empty() || auth_host == domain;
  out.push_back(std::move(registry));
  return out;
}

}  // namespace crisp::image
