#include "image/registry/registries_conf.h"

#include <fcntl.h>

#include <algorithm>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "image/registry/toml_text.h"

namespace crisp::image {
namespace {

using Registry = RegistriesConf::Registry;
using Mirror = RegistriesConf::Mirror;

// containers-registries.conf(5), "REMAPPING AND MIRRORING": how much of `name` the prefix covers;
// 0: it does not fit. A wildcard covers the whole host.
size_t CoveredBy(std::string_view name, std::string_view prefix) {
  if (prefix.starts_with("*.")) {
    const std::string_view host = name.substr(0, name.find('/'));
    const std::string_view bare = host.substr(0, host.rfind(':'));
    const std::string_view suffix = prefix.substr(1);
    const bool fits = host.ends_with(suffix) || bare.ends_with(suffix);
    return fits && host.size() > suffix.size() ? host.size() : 0;
  }
  if (!name.starts_with(prefix)) return 0;
  return name.size() == prefix.size() || name[prefix.size()] == '/' ? prefix.size() : 0;
}

// Locations name a place, not a way to get there.
Result<std::string> LocationOf(const TomlValue& table, std::string_view key) {
  std::string text = CRISP_TRY(TomlString(table, key));
  while (text.ends_with('/')) text.pop_back();
  if (text.find("://") != std::string::npos || text.find_first_of(" @?#") != std::string::npos) {
    const TomlValue* value = table.Find(key);
    return InvalidArgument(value->file, ":", value->line, ": ", key, ": '", text,
                           "': allowed: host[:port][/path] without a scheme");
  }
  return text;
}

Result<MirrorUse> UseOf(const TomlValue& table, bool registry_says_digest_only) {
  const std::string word = CRISP_TRY(TomlString(table, "pull-from-mirror"));
  if (word == "all") return MirrorUse::kAll;
  if (word == "digest-only") return MirrorUse::kDigestOnly;
  if (word == "tag-only") return MirrorUse::kTagOnly;
  if (word.empty()) return registry_says_digest_only ? MirrorUse::kDigestOnly : MirrorUse::kAll;
  const TomlValue* value = table.Find("pull-from-mirror");
  return InvalidArgument(value->file, ":", value->line, ": pull-from-mirror: '", word,
                         "': allowed: all | digest-only | tag-only");
}

Result<std::vector<Mirror>> MirrorsOf(const TomlValue& table) {
  std::vector<Mirror> out;
  const TomlValue* mirrors = table.Find("mirror");
  if (mirrors == nullptr) return out;
  if (mirrors->kind != TomlValue::Kind::kArray) {
    return mirrors->WrongType("mirror", "[[registry.mirror]] tables");
  }
  const bool digest_only = CRISP_TRY(TomlBool(table, "mirror-by-digest-only", false));
  for (const TomlValue& item : mirrors->items) {
    if (item.kind != TomlValue::Kind::kTable) return item.WrongType("mirror", "a table");
    Mirror mirror;
    mirror.location = CRISP_TRY(LocationOf(item, "location"));
    if (mirror.location.empty()) {
      return InvalidArgument(item.file, ":", item.line, ": mirror: has no location");
    }
    mirror.insecure = CRISP_TRY(TomlBool(item, "insecure", false));
    mirror.use = CRISP_TRY(UseOf(item, digest_only));
    out.push_back(std::move(mirror));
  }
  return out;
}

Result<Registry> RegistryOf(const TomlValue& table) {
  Registry out;
  out.where = Cat(table.file, ":", table.line);
  out.location = CRISP_TRY(LocationOf(table, "location"));
  out.prefix = CRISP_TRY(LocationOf(table, "prefix"));
  if (out.prefix.empty()) out.prefix = out.location;
  if (out.prefix.empty()) {
    return InvalidArgument(out.where, ": registry: has neither location nor prefix");
  }
  const bool wildcard = out.prefix.starts_with("*.");
  if (out.prefix.find('*', wildcard ? 1 : 0) != std::string::npos ||
      (wildcard && out.prefix.find('/') != std::string::npos)) {
    return InvalidArgument(out.where, ": prefix: '", out.prefix,
                           "': allowed: host[:port][/path], or *.domain");
  }
  if (out.location.empty() && !wildcard) out.location = out.prefix;
  out.insecure = CRISP_TRY(TomlBool(table, "insecure", false));
  out.blocked = CRISP_TRY(TomlBool(table, "blocked", false));
  out.mirrors = CRISP_TRY(MirrorsOf(table));
  return out;
}

// Version 1: [registries.<kind>] registries = [...].
Result<std::vector<std::string>> VersionOneList(const TomlValue& document, std::string_view kind) {
  const TomlValue* registries = document.Find("registries");
  const TomlValue* list = registries != nullptr ? registries->Find(kind) : nullptr;
  if (list == nullptr) return std::vector<std::string>();
  return TomlStrings(*list, "registries");
}

}  // namespace

std::string RegistriesConf::Match::Rewrite(std::string_view name,
                                           const std::string& location) const {
  if (location.empty()) return std::string(name);
  return Cat(location, name.substr(length));
}

void RegistriesConf::Put(Registry registry) {
  const auto same = std::find_if(registries_.begin(), registries_.end(),
                                 [&](const Registry& r) { return r.prefix == registry.prefix; });
  if (same != registries_.end()) {
    *same = std::move(registry);
  } else {
    registries_.push_back(std::move(registry));
  }
}

Status RegistriesConf::Add(std::string_view text, const std::string& file) {
  const TomlValue document = CRISP_TRY(ParseToml(text, file));
  if (const TomlValue* tables = document.Find("registry")) {
    if (tables->kind != TomlValue::Kind::kArray) {
      return tables->WrongType("registry", "[[registry]] tables");
    }
    for (const TomlValue& table : tables->items) {
      if (table.kind != TomlValue::Kind::kTable) return table.WrongType("registry", "a table");
      Put(CRISP_TRY(RegistryOf(table)));
    }
  }
  if (document.Find("unqualified-search-registries") != nullptr) {
    search_ = CRISP_TRY(TomlStrings(document, "unqualified-search-registries"));
  }
  const std::string mode = CRISP_TRY(TomlString(document, "short-name-mode"));
  if (mode == "enforcing" || mode == "permissive" || mode == "disabled") {
    enforcing_ = mode == "enforcing";
  } else if (!mode.empty()) {
    return InvalidArgument(file, ":", document.Find("short-name-mode")->line,
                           ": short-name-mode: '", mode,
                           "': allowed: enforcing | permissive | disabled");
  }
  if (const TomlValue* aliases = document.Find("aliases")) {
    if (aliases->kind != TomlValue::Kind::kTable) return aliases->WrongType("aliases", "a table");
    for (const auto& [name, unused] : aliases->entries) {
      aliases_[name] = CRISP_TRY(TomlString(*aliases, name));
      if (aliases_[name].empty()) aliases_.erase(name);  // taken back by a later file
    }
  }
  for (std::string& name : CRISP_TRY(VersionOneList(document, "search"))) {
    search_.push_back(std::move(name));
  }
  for (const char* kind : {"insecure", "block"}) {
    for (const std::string& name : CRISP_TRY(VersionOneList(document, kind))) {
      Registry registry;
      registry.prefix = registry.location = name;
      registry.insecure = std::string_view(kind) == "insecure";
      registry.blocked = !registry.insecure;
      registry.where = file;
      Put(std::move(registry));
    }
  }
  return OkStatus();
}

Result<RegistriesConf> RegistriesConf::Load(const std::string& path) {
  RegistriesConf out;
  if (path.empty()) return out;
  const auto add = [&out](const std::string& file) -> Status {
    const Result<std::string> text = ReadFileAt(AT_FDCWD, file, kMaxTomlBytes);
    if (!text.ok()) return text.status().code() == Code::kNotFound ? OkStatus() : text.status();
    return out.Add(*text, file);
  };
  CRISP_RETURN_IF_ERROR(add(path));
  const std::string drop_ins = path + ".d";
  Result<DirFd> dir = DirFd::Open(drop_ins);
  if (!dir.ok()) {
    if (dir.status().code() == Code::kNotFound) return out;
    return std::move(dir).status();
  }
  std::vector<std::string> names = CRISP_TRY(dir->List());
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (name.ends_with(".conf") && name.front() != '.') {
      CRISP_RETURN_IF_ERROR(add(Cat(drop_ins, '/', name)));
    }
  }
  return out;
}

std::optional<RegistriesConf::Match> RegistriesConf::Find(std::string_view name) const {
  std::optional<Match> best;
  size_t best_prefix = 0;
  for (const Registry& registry : registries_) {
    const size_t length = CoveredBy(name, registry.prefix);
    if (length == 0 || registry.prefix.size() <= best_prefix) continue;
    best = Match{&registry, length};
    best_prefix = registry.prefix.size();
  }
  return best;
}

Result<std::vector<std::string>> RegistriesConf::Candidates(const std::string& name) const {
  std::vector<std::string> out;
  if (const auto alias = aliases_.find(name); alias != aliases_.end()) {
    out.push_back(alias->second);
    return out;
  }
  if (enforcing_ && search_.size() > 1) {
    return InvalidArgument("the short name ", name, " could mean an image of any of ",
                           search_.size(),
                           " registries, and short-name-mode is enforcing: write the registry in "
                           "front, or add an alias to registries.conf");
  }
  for (const std::string& host : search_) {
    // docker.io has no images without a namespace.
    const bool library = host == "docker.io" && name.find('/') == std::string::npos;
    out.push_back(Cat(host, library ? "/library/" : "/", name));
  }
  return out;
}

}  // namespace crisp::image
