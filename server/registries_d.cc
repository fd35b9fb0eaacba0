#include "server/registries_d.h"

#include <algorithm>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "server/config/value.h"
#include "server/config/yaml_reader.h"

namespace crisp {
namespace {

using config::Value;
using Lookasides = std::map<std::string, image::Lookaside>;

constexpr size_t kMaxFileBytes = 1u << 20;
constexpr char kDefaultLookaside[] = "file:///var/lib/containers/sigstore";

Result<std::string> ReadUrl(const Value& value, const std::string& key) {
  const std::string& url = value.text;
  if (value.is_scalar() &&
      (url.starts_with("https://") || url.starts_with("http://") || url.starts_with("file:///"))) {
    return url;
  }
  return InvalidArgument(value.Where(), ": ", key, ": allowed: an https, http or file URL");
}

Result<image::Lookaside> ReadSection(const Value& section) {
  image::Lookaside out;
  if (section.kind == Value::Kind::kNull) return out;
  if (section.kind != Value::Kind::kMap) {
    return InvalidArgument(section.Where(), ": found ", section.KindName(),
                           "; allowed: a map of keys");
  }
  for (const auto& [key, value] : section.entries) {
    if (key == "lookaside" || key == "sigstore") {
      std::string url = CRISP_TRY(ReadUrl(value, key));
      if (key == "lookaside" || !out.url) out.url = std::move(url);
    } else if (key == "lookaside-staging" || key == "sigstore-staging") {
      (void)CRISP_TRY(ReadUrl(value, key));
    } else if (key == "use-sigstore-attachments") {
      if (!value.is_scalar() || (value.text != "true" && value.text != "false")) {
        return InvalidArgument(value.Where(), ": ", key, ": allowed: true or false");
      }
      out.use_attachments = value.text == "true";
    } else {
      return InvalidArgument(value.Where(), ": unknown key ", key,
                             "; allowed: lookaside, lookaside-staging, sigstore, "
                             "sigstore-staging, use-sigstore-attachments");
    }
  }
  return out;
}

Status AddSection(const std::string& scope, const Value& section, Lookasides* out) {
  image::Lookaside read = CRISP_TRY(ReadSection(section));
  if (out->emplace(scope, std::move(read)).second) return OkStatus();
  return InvalidArgument(section.Where(), ": ", scope.empty() ? "default-docker" : scope,
                         ": another file has it, too; one section per scope is allowed");
}

}  // namespace

Status AddRegistriesD(const std::string& text, const std::string& file, Lookasides* out) {
  const Value document = CRISP_TRY(config::ReadYaml(text, file));
  for (const auto& [key, value] : document.entries) {
    if (key == "default-docker") {
      CRISP_RETURN_IF_ERROR(AddSection("", value, out));
    } else if (key != "docker") {
      return InvalidArgument(value.Where(), ": unknown key ", key,
                             "; allowed: default-docker, docker");
    } else if (value.kind == Value::Kind::kMap) {
      for (const auto& [scope, section] : value.entries) {
        CRISP_RETURN_IF_ERROR(AddSection(scope, section, out));
      }
    } else if (value.kind != Value::Kind::kNull) {
      return InvalidArgument(value.Where(), ": docker: allowed: a map of scopes");
    }
  }
  return OkStatus();
}

Result<Lookasides> ReadRegistriesD(const std::string& dir) {
  Lookasides out;
  const auto opened = dir.empty() ? Result<DirFd>(NotFound("registries.d")) : DirFd::Open(dir);
  if (opened.ok()) {
    std::vector<std::string> names = CRISP_TRY(opened->List());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (!name.ends_with(".yaml")) continue;
      const std::string path = JoinPath(dir, name);
      CRISP_RETURN_IF_ERROR(
          AddRegistriesD(CRISP_TRY(ReadFileAt(opened->get(), name, kMaxFileBytes)), path, &out));
    }
  } else if (opened.status().code() != Code::kNotFound) {
    return opened.status();
  }
  if (image::Lookaside& rest = out[""]; !rest.url) rest.url = kDefaultLookaside;
  return out;
}

}  // namespace crisp
