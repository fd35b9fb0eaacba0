#include "image/registry/credentials.h"

#include <fcntl.h>

#include <algorithm>

#include "base/base64.h"
#include "base/core/file.h"
#include "image/json_text.h"

namespace crisp::image {
namespace {

Result<RegistryAuth> ReadEntry(const Json& json) {
  RegistryAuth out;
  out.username = CRISP_TRY(StringMember(json, "username"));
  out.password = CRISP_TRY(StringMember(json, "password"));
  out.identity_token = CRISP_TRY(StringMember(json, "identitytoken"));
  out.registry_token = CRISP_TRY(StringMember(json, "registrytoken"));
  const std::string both = CRISP_TRY(StringMember(json, "auth"));
  if (!out.username.empty() || both.empty()) return out;
  const auto decoded = DecodeBase64(both);
  const size_t colon = decoded ? decoded->find(':') : std::string::npos;
  if (colon == std::string::npos) {
    return InvalidArgument("auth: allowed: base64 of \"user:password\"");
  }
  out.username = decoded->substr(0, colon);
  out.password = decoded->substr(colon + 1);
  out.password.erase(out.password.find_last_not_of('\0') + 1);
  return out;
}

// A key of "auths": a URL's path is of no meaning ("/v1/", "/v2/"), a name's is a repository.
std::string KeyOf(const std::string& key) {
  const bool is_url = key.find("://") != std::string::npos;
  const size_t slash = key.find('/');
  if (is_url || slash == std::string::npos) return RegistryHostOf(key);
  std::string out = Cat(RegistryHostOf(key), key.substr(slash));
  while (out.ends_with('/')) out.pop_back();
  return out;
}

}  // namespace

bool HasCredentials(const RegistryAuth& auth) {
  return !auth.username.empty() || !auth.identity_token.empty() || !auth.registry_token.empty();
}

std::string RegistryHostOf(std::string address) {
  if (const size_t scheme = address.find("://"); scheme != std::string::npos) {
    address.erase(0, scheme + 3);
  }
  address.resize(std::min(address.size(), address.find('/')));
  if (address == "index.docker.io" || address == "registry-1.docker.io") return "docker.io";
  return address;
}

Result<CredentialFile> CredentialFile::Parse(std::string_view text, const std::string& file) {
  CredentialFile out;
  const Result<Json> json = ParseJson(text, "credentials");
  // The parser's own words could quote the file.
  if (!json.ok()) return InvalidArgument(file, ": not JSON");
  const Json* auths = FindMember(*json, "auths");
  if (auths == nullptr) return out;
  if (!auths->is_object()) return InvalidArgument(file, ": auths: must be an object");
  for (const auto& [key, entry] : auths->items()) {
    if (!entry.is_object()) return InvalidArgument(file, ": auths: entry must be an object");
    RegistryAuth auth = CRISP_TRY(ReadEntry(entry).Wrap(file, ": auths: ", key.substr(0, 255)));
    if (HasCredentials(auth)) out.entries_[KeyOf(key)] = std::move(auth);
  }
  return out;
}

Result<CredentialFile> CredentialFile::Load(const std::string& path) {
  if (path.empty()) return CredentialFile();
  const Result<std::string> text = ReadFileAt(AT_FDCWD, path, kMaxJsonBytes);
  if (!text.ok()) {
    if (text.status().code() == Code::kNotFound) return CredentialFile();
    return text.status();
  }
  return Parse(*text, path);
}

std::optional<RegistryAuth> CredentialFile::Find(std::string_view name) const {
  for (;;) {
    if (const auto it = entries_.find(name); it != entries_.end()) return it->second;
    const size_t slash = name.rfind('/');
    if (slash == std::string_view::npos) return std::nullopt;
    name = name.substr(0, slash);
  }
}

}  // namespace crisp::image
