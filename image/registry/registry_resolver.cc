#include "image/registry/registry_resolver.h"

#include <arpa/inet.h>

#include <algorithm>

#include "image/registry/credentials.h"

namespace crisp::image {
namespace {

constexpr char kDefaultSection[] = "_default";

bool IsLoopback(const std::string& host) {
  const bool is_v6 = host.starts_with('[');
  const std::string name =
      is_v6 ? host.substr(1, host.find(']') - 1) : host.substr(0, host.find(':'));
  in_addr v4;
  if (::inet_pton(AF_INET, name.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return name == "localhost" || (is_v6 && name == "::1");
}

// docker.io is a name; its registry is at another address.
std::string AddressOf(const std::string& host) {
  return host == "docker.io" ? "registry-1.docker.io" : host;
}

bool Fits(MirrorUse use, const Reference& reference) {
  if (use == MirrorUse::kAll) return true;
  return (use == MirrorUse::kDigestOnly) == !reference.digest().empty();
}

std::pair<std::string, std::string> SplitLocation(const std::string& location) {
  const size_t slash = location.find('/');
  if (slash == std::string::npos) return {location, ""};
  return {location.substr(0, slash), location.substr(slash + 1)};
}

// A file name made of a pod's namespace, which is an RFC 1123 label.
bool IsLabel(const std::string& text) {
  return !text.empty() && text.size() <= 63 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

}  // namespace

Result<std::shared_ptr<const RegistryResolver>> RegistryResolver::Load(
    std::map<std::string, RegistryOptions> registries, RegistryFiles files) {
  std::shared_ptr<RegistryResolver> out(
      new RegistryResolver(std::move(registries), std::move(files)));
  out->conf_ = CRISP_TRY(RegistriesConf::Load(out->files_.registries_conf));
  return std::shared_ptr<const RegistryResolver>(std::move(out));
}

const RegistryOptions* RegistryResolver::FindSection(const std::string& host) const {
  const auto it = registries_.find(host);
  return it == registries_.end() ? nullptr : &it->second;
}

Result<EndpointOptions> RegistryResolver::DefaultOptions() const {
  EndpointOptions out;
  if (const RegistryOptions* section = FindSection(kDefaultSection)) {
    out = *section;
  } else if (const auto hosts = CRISP_TRY(FindHostsFile(files_.certs_dirs, kDefaultSection))) {
    out = hosts->defaults;
  }
  out.headers.clear();  // not for everybody
  return out;
}

Result<EndpointOptions> RegistryResolver::OptionsOf(const std::string& host) const {
  EndpointOptions out;
  const RegistryOptions* section = FindSection(host);
  if (section != nullptr) out = *section;
  if (!out.has_tls_settings() && !out.plain_http) {
    if (const auto hosts = CRISP_TRY(FindHostsFile(files_.certs_dirs, host))) {
      EndpointOptions found = hosts->server ? hosts->server->endpoint : hosts->defaults;
      found.headers.insert(out.headers.begin(), out.headers.end());
      out = std::move(found);
    } else if (section == nullptr) {
      out = CRISP_TRY(DefaultOptions());
    }
  }
  out.plain_http = out.plain_http || (IsLoopback(host) && !out.has_tls_settings());
  return out;
}

Result<PullerEndpoint> RegistryResolver::EndpointOf(const std::string& host,
                                                    const std::string& repository) const {
  PullerEndpoint out;
  out.options = CRISP_TRY(OptionsOf(host));
  out.url = Cat(out.options.plain_http ? "http://" : "https://", AddressOf(host));
  out.repository = repository;
  return out;
}

Result<PullerEndpoint> RegistryResolver::MirrorEndpoint(const MirrorOptions& mirror,
                                                        const std::string& repository) const {
  const bool has_scheme = mirror.location.find("://") != std::string::npos;
  const std::string host = RegistryHostOf(mirror.location);
  PullerEndpoint out = CRISP_TRY(EndpointOf(host, repository));
  const EndpointOptions& own = mirror;
  if (own.has_tls_settings() || own.plain_http) {
    out.options = own;
    out.url = Cat(own.plain_http ? "http://" : "https://", AddressOf(host));
  } else {
    for (const auto& [name, value] : own.headers) out.options.headers[name] = value;
  }
  out.override_path = mirror.override_path;
  if (has_scheme && host != "docker.io") {
    out.url = mirror.location;
    while (out.url.ends_with('/')) out.url.pop_back();
  } else if (const auto [unused, path] = SplitLocation(mirror.location);
             !has_scheme && !path.empty()) {
    if (mirror.override_path) {
      out.url += "/" + path;
    } else {
      out.repository = Cat(path, '/', repository);
    }
  }
  return out;
}

Result<std::vector<PullerEndpoint>> RegistryResolver::FromSection(
    const Reference& reference, const RegistryOptions& section) const {
  std::vector<PullerEndpoint> out;
  for (const MirrorOptions& mirror : section.mirrors) {
    if (!Fits(mirror.use, reference)) continue;
    out.push_back(CRISP_TRY(MirrorEndpoint(mirror, reference.path())));
  }
  out.push_back(CRISP_TRY(EndpointOf(reference.domain(), reference.path())));
  return out;
}

Status RegistryResolver::AddLocation(const std::string& name, bool insecure,
                                     std::vector<PullerEndpoint>* out) const {
  const auto [host, repository] = SplitLocation(name);
  PullerEndpoint endpoint = CRISP_TRY(EndpointOf(host, repository));
  if (insecure && !endpoint.options.plain_http) {
    endpoint.options.skip_tls_verify = true;
    out->push_back(endpoint);
    endpoint.options.skip_tls_verify = false;
    endpoint.options.plain_http = true;
    endpoint.url = Cat("http://", AddressOf(host));
  }
  out->push_back(std::move(endpoint));
  return OkStatus();
}

Result<std::vector<PullerEndpoint>> RegistryResolver::FromConf(
    const Reference& reference, const RegistriesConf::Match& match) const {
  std::vector<PullerEndpoint> out;
  const std::string name = reference.name();
  for (const RegistriesConf::Mirror& mirror : match.registry->mirrors) {
    if (!Fits(mirror.use, reference)) continue;
    CRISP_RETURN_IF_ERROR(AddLocation(match.Rewrite(name, mirror.location), mirror.insecure, &out));
  }
  const std::string location = match.Rewrite(name, match.registry->location);
  if (location.find('/') == std::string::npos) {
    return InvalidArgument(match.registry->where, ": location: rewrites ", name, " to '", location,
                           "', which has no repository");
  }
  CRISP_RETURN_IF_ERROR(AddLocation(location, match.registry->insecure, &out));
  return out;
}

Result<std::vector<PullerEndpoint>> RegistryResolver::FromHosts(const Reference& reference,
                                                                const HostsFile& hosts) const {
  std::vector<PullerEndpoint> out;
  const auto add = [&](const HostsFile::Host& host) {
    PullerEndpoint endpoint;
    endpoint.url = host.url;
    endpoint.repository = reference.path();
    endpoint.override_path = host.override_path;
    endpoint.resolve = host.resolve;
    endpoint.pull = host.pull;
    endpoint.options = host.endpoint;
    endpoint.options.plain_http = host.url.starts_with("http://");
    // containerd: a mirror of several registries must know whose image is wanted.
    if (RegistryHostOf(host.url) != reference.domain()) endpoint.query = "ns=" + reference.domain();
    out.push_back(std::move(endpoint));
  };
  for (const HostsFile::Host& host : hosts.hosts) add(host);
  if (hosts.server) {
    add(*hosts.server);
  } else {
    out.push_back(CRISP_TRY(EndpointOf(reference.domain(), reference.path())));
  }
  return out;
}

Status RegistryResolver::CheckBlocked(const Reference& reference) const {
  const RegistryOptions* section = FindSection(reference.domain());
  if (section != nullptr && section->blocked) {
    return Status(Code::kPermissionDenied,
                  Cat("registry ", reference.domain(),
                      " is blocked by the configuration (image.registries)"));
  }
  const auto match = conf_.Find(reference.name());
  if (match && match->registry->blocked) {
    return Status(Code::kPermissionDenied, Cat("registry ", match->registry->prefix,
                                               " is blocked by ", match->registry->where));
  }
  return OkStatus();
}

Result<std::vector<PullerEndpoint>> RegistryResolver::Plan(const Reference& reference) const {
  CRISP_RETURN_IF_ERROR(CheckBlocked(reference));
  if (const RegistryOptions* section = FindSection(reference.domain())) {
    return FromSection(reference, *section);
  }
  if (const auto match = conf_.Find(reference.name())) return FromConf(reference, *match);
  if (const auto hosts = CRISP_TRY(FindHostsFile(files_.certs_dirs, reference.domain()))) {
    return FromHosts(reference, *hosts);
  }
  if (const RegistryOptions* section = FindSection(kDefaultSection)) {
    return FromSection(reference, *section);
  }
  if (const auto hosts = CRISP_TRY(FindHostsFile(files_.certs_dirs, kDefaultSection))) {
    return FromHosts(reference, *hosts);
  }
  std::vector<PullerEndpoint> out;
  out.push_back(CRISP_TRY(EndpointOf(reference.domain(), reference.path())));
  return out;
}

Status RegistryResolver::GiveCredentials(const Reference& reference, const PullIdentity& who,
                                         std::vector<PullerEndpoint>* endpoints) const {
  std::vector<CredentialFile> files;
  if (!files_.namespace_auth_dir.empty() && IsLabel(who.pod_namespace)) {
    files.push_back(CRISP_TRY(
        CredentialFile::Load(Cat(files_.namespace_auth_dir, '/', who.pod_namespace, ".json"))));
  }
  files.push_back(CRISP_TRY(CredentialFile::Load(files_.auth_file)));
  const std::string named = RegistryHostOf(who.auth.server_address);
  for (PullerEndpoint& endpoint : *endpoints) {
    const std::string host = RegistryHostOf(endpoint.url);
    if (HasCredentials(who.auth) && host == (named.empty() ? reference.domain() : named)) {
      endpoint.auth = who.auth;
      continue;
    }
    for (const CredentialFile& file : files) {
      const auto found = file.Find(Cat(host, '/', endpoint.repository));
      if (!found) continue;
      endpoint.auth = *found;
      break;
    }
  }
  return OkStatus();
}

Result<std::vector<PullerEndpoint>> RegistryResolver::Endpoints(const Reference& reference,
                                                                const PullIdentity& who) const {
  std::vector<PullerEndpoint> out = CRISP_TRY(Plan(reference));
  CRISP_RETURN_IF_ERROR(GiveCredentials(reference, who, &out));
  return out;
}

Result<std::vector<Reference>> RegistryResolver::Candidates(const std::string& text) const {
  std::vector<Reference> out;
  out.push_back(CRISP_TRY(Reference::Parse(text)));
  std::string name = text.substr(0, text.find('@'));
  const size_t colon = name.rfind(':');
  if (colon != std::string::npos && name.find('/', colon) == std::string::npos) name.resize(colon);
  if (!Reference::IsShortName(name)) return out;
  const std::vector<std::string> names = CRISP_TRY(conf_.Candidates(name));
  if (names.empty()) return out;
  const std::string rest = text.substr(name.size());
  out.clear();
  for (const std::string& full : names) {
    out.push_back(CRISP_TRY(Reference::Parse(full + rest).Wrap("registries.conf: ", name)));
  }
  return out;
}

}  // namespace crisp::image
