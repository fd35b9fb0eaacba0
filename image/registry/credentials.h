// CredentialFile: docker's config.json, which is also containers' auth.json.
//
// What:    credentials by registry host or, longer, by repository ("quay.io/team/app"): the longest
//          name that fits wins. Read anew at every pull.
// Contract: containers-auth.json(5); docker's "auths" (keys may be URLs;
// "https://index.docker.io/v1/"
//          is docker.io). credHelpers and credsStore are programs and are not run.
// Threads: plain values.
// Errors:  kInvalidArgument with file and entry, never with a secret.
#ifndef CRISP_IMAGE_REGISTRY_CREDENTIALS_H_
#define CRISP_IMAGE_REGISTRY_CREDENTIALS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "image/image_service.h"

namespace crisp::image {

bool HasCredentials(const RegistryAuth& auth);

class CredentialFile {
 public:
  static Result<CredentialFile> Parse(std::string_view text, const std::string& file);
  // A file that does not exist has no credentials.
  static Result<CredentialFile> Load(const std::string& path);

  // `name`: "host[:port]/repository".
  std::optional<RegistryAuth> Find(std::string_view name) const;

 private:
  std::map<std::string, RegistryAuth, std::less<>> entries_;
};

// "https://index.docker.io/v1/" = "docker.io"; "https://registry:5000/" = "registry:5000".
std::string RegistryHostOf(std::string address);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_REGISTRY_CREDENTIALS_H_
