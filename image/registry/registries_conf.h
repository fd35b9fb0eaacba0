// RegistriesConf: /etc/containers/registries.conf and the files of registries.conf.d beside it.
//
// What:    which registry section fits an image name, its mirrors and rewriting, short-name aliases
//          and the registries that unqualified names are searched in.
// Contract: containers-registries.conf(5), version 2 of the format; version 1 ([registries.search],
//          [registries.insecure], [registries.block]) is understood, too. credential-helpers are
//          not run.
// Threads: plain values.
// Errors:  kInvalidArgument with file, line and key. A missing main file counts as empty.
#ifndef CRISP_IMAGE_REGISTRY_REGISTRIES_CONF_H_
#define CRISP_IMAGE_REGISTRY_REGISTRIES_CONF_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "image/image_service.h"

namespace crisp::image {

class RegistriesConf {
 public:
  struct Mirror {
    std::string location;  // host[:port][/path]
    bool insecure = false;
    MirrorUse use = MirrorUse::kAll;
  };
  struct Registry {
    std::string prefix;    // host[:port][/path...] or "*.domain"
    std::string location;  // empty only with a wildcard prefix: no rewriting
    bool insecure = false;
    bool blocked = false;
    std::vector<Mirror> mirrors;
    std::string where;  // "file:line"
  };
  // A registry section that fits a name.
  struct Match {
    const Registry* registry = nullptr;
    size_t length = 0;  // how much of the name its prefix covers
    // `name` with the covered part replaced by `location`; as it is when that is empty.
    std::string Rewrite(std::string_view name, const std::string& location) const;
  };

  // Reads `path` and <path>.d/*.conf.
  static Result<RegistriesConf> Load(const std::string& path);
  // Lays one more file's text over what is there.
  Status Add(std::string_view text, const std::string& file);

  // The longest prefix that covers `name` ("host/path", without tag).
  std::optional<Match> Find(std::string_view name) const;
  // For a name without a registry ("fedora", "a/b"): what it stands for; empty: nothing known.
  // kInvalidArgument when short-name-mode is "enforcing" and several registries would be searched.
  Result<std::vector<std::string>> Candidates(const std::string& short_name) const;

  const std::vector<Registry>& registries() const { return registries_; }

 private:
  void Put(Registry registry);

  std::vector<Registry> registries_;
  std::vector<std::string> search_;
  std::map<std::string, std::string> aliases_;
  bool enforcing_ = false;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_REGISTRY_REGISTRIES_CONF_H_
