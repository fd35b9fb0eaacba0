#include "server/config/load.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <set>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "server/config/blockio_file.h"
#include "server/config/settings.h"
#include "server/config/yaml_reader.h"

namespace crisp::config {
namespace {

std::string Dirname(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string Join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const std::string& part : parts) out += Cat(out.empty() ? "" : separator, part);
  return out;
}

// The keys right below the section `key` ("" for the top).
std::string KeysBelow(const std::string& key) {
  const std::string prefix = key.empty() ? "" : Cat(key, '.');
  std::vector<std::string> names;
  for (const Setting& setting : Settings()) {
    if (!setting.key.starts_with(prefix)) continue;
    std::string name = setting.key.substr(prefix.size());
    name = name.substr(0, name.find('.'));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return Join(names, ", ");
}

// Walks a tree along the table and collects every mistake.
class Applier {
 public:
  explicit Applier(Config* config) : config_(config) {}

  // `pattern` is the section's key in the table, `shown` as the user wrote it.
  void ApplySection(const Value& map, const std::string& pattern, const std::string& shown,
                    const std::string& name) {
    if (map.kind == Value::Kind::kNull) return;
    if (map.kind != Value::Kind::kMap) {
      Mistake(map, shown,
              Cat("found ", map.KindName(),
                  " where a map is wanted; allowed keys: ", KeysBelow(pattern)));
      return;
    }
    const Section* section = FindSection(pattern);
    for (const auto& [key, value] : map.entries) {
      const std::string child_shown = shown.empty() ? key : Cat(shown, '.', key);
      if (section != nullptr && section->is_named()) {
        ApplyNamed(*section, key, value, child_shown);
      } else {
        ApplyKey(value, pattern.empty() ? key : Cat(pattern, '.', key), child_shown, pattern, name);
      }
    }
  }

  Status Finish() const {
    return mistakes_.empty() ? OkStatus() : InvalidArgument(Join(mistakes_, "\n"));
  }

 private:
  void ApplyNamed(const Section& section, const std::string& name, const Value& value,
                  const std::string& shown) {
    if (Status added = section.add(name, config_); !added.ok()) {
      Mistake(value, shown, added.message());
      return;
    }
    ApplySection(value, Cat(section.key, ".*"), shown, name);
  }

  void ApplyKey(const Value& value, const std::string& pattern, const std::string& shown,
                const std::string& parent, const std::string& name) {
    if (FindSection(pattern) != nullptr) {
      ApplySection(value, pattern, shown, name);
      return;
    }
    const Setting* setting = FindSetting(pattern);
    if (setting == nullptr) {
      Mistake(value, shown, Cat("unknown key; allowed here: ", KeysBelow(parent)));
      return;
    }
    if (value.kind == Value::Kind::kNull) return;
    if (Status parsed = setting->parse(value, name, config_); !parsed.ok()) {
      Mistake(value, shown, parsed.message());
    }
  }

  void Mistake(const Value& value, const std::string& key, std::string_view what) {
    const std::string where = value.Where();
    mistakes_.push_back(Cat(where, where.empty() ? "" : ": ", key, ": ", what));
  }

  Config* config_;
  std::vector<std::string> mistakes_;
};

// Where `name` is executable in a PATH-like list; empty when nowhere.
std::string FindProgram(const std::string& name, const std::string& path) {
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find(':', begin), path.size());
    std::string candidate = Cat(path.substr(begin, end - begin), '/', name);
    if (candidate.starts_with('/') && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return {};
}

std::string FindBinary(const std::string& name, const Surroundings& surroundings) {
  std::string beside = JoinPath(surroundings.executable_dir, name);
  if (::access(beside.c_str(), X_OK) == 0) return beside;
  std::string of_prefix =
      Cat(JoinPath(Dirname(surroundings.executable_dir), "libexec/crisp/"), name);
  if (::access(of_prefix.c_str(), X_OK) == 0) return of_prefix;
  return JoinPath(surroundings.libexec_dir, name);
}

Status CompleteRuntimes(const Surroundings& surroundings, Config* config) {
  if (config->runtimes.empty()) {
    config->runtimes_found = true;
    for (const char* name : kUsualRuntimes) {
      const std::string path = FindProgram(name, surroundings.path);
      if (!path.empty()) config->runtimes[name].path = path;
    }
    if (config->runtimes.empty()) {
      return FailedPrecondition(
          "runtimes: none is configured, and neither crun nor runc is in PATH (", surroundings.path,
          "); install one, or set runtimes.<name>.path");
    }
  }
  for (auto& [name, runtime] : config->runtimes) {
    if (runtime.root.empty()) runtime.root = JoinPath(config->state, Cat("runtime/", name));
    const std::string program = runtime.path.empty() ? name : runtime.path;
    if (program.starts_with('/')) continue;
    runtime.path = FindProgram(program, surroundings.path);
    if (runtime.path.empty()) {
      return InvalidArgument("runtimes.", name, ".path: no program '", program, "' in PATH (",
                             surroundings.path, ")");
    }
  }
  if (config->default_runtime.empty()) {
    config->default_runtime_found = true;
    if (config->runtimes.size() == 1) config->default_runtime = config->runtimes.begin()->first;
    for (const char* name : {"runc", "crun"}) {
      if (config->runtimes.contains(name)) config->default_runtime = name;
    }
  }
  if (config->default_runtime.empty() || !config->runtimes.contains(config->default_runtime)) {
    std::vector<std::string> names;
    for (const auto& [name, unused] : config->runtimes) names.push_back(name);
    return InvalidArgument("default_runtime: '", config->default_runtime,
                           "': allowed: ", Join(names, " | "));
  }
  return OkStatus();
}

Status CompleteContainers(Config* config) {
  for (auto& [name, workload] : config->workloads) {
    if (workload.activation_annotation.empty()) {
      workload.activation_annotation = Cat("target.workload.openshift.io/", name);
    }
  }
  const std::string& file = config->blockio_config;
  if (file.empty()) return OkStatus();
  config->blockio_classes = CRISP_TRY(
      ParseBlockio(CRISP_TRY(ReadFile(file).Wrap("blockio_config")), file).Wrap("blockio_config"));
  return OkStatus();
}

Status CompleteSocket(Config* config) {
  if (config->socket.path.empty()) config->socket.path = JoinPath(config->state, "crisp.sock");
  if (config->socket.path.size() <= 107) return OkStatus();  // sockaddr_un, unix(7)
  return InvalidArgument("socket.path: ", config->socket.path.size(),
                         " bytes long; allowed: at most 107 (unix(7)); set a shorter one");
}

// Fills computed defaults, then checks what concerns several keys.
Status Complete(const Surroundings& surroundings, Config* config) {
  CRISP_RETURN_IF_ERROR(CompleteSocket(config));
  if (config->root == config->state) {
    return InvalidArgument("root and state: both are '", config->root,
                           "'; allowed: two different directories");
  }
  const Streaming& streaming = config->streaming;
  if (streaming.tls_cert.empty() != streaming.tls_key.empty() ||
      (streaming.tls_cert.empty() && !streaming.tls_client_ca.empty())) {
    return InvalidArgument(
        "streaming: allowed: tls_cert and tls_key, with or without tls_client_ca; or none of them");
  }
  Binaries& binaries = config->binaries;
  if (binaries.monitor.empty()) binaries.monitor = FindBinary("crisp-monitor", surroundings);
  if (binaries.init.empty()) binaries.init = FindBinary("crisp-init", surroundings);
  if (binaries.pull.empty()) binaries.pull = FindBinary("crisp-pull", surroundings);
  const bool systemd = config->cgroup_driver == CgroupDriver::kSystemd;
  if (config->default_cgroup_parent.empty()) {
    config->default_cgroup_parent = systemd ? "/crisp.slice" : "/crisp";
  }
  if (systemd != config->default_cgroup_parent.ends_with(".slice")) {
    return InvalidArgument("default_cgroup_parent: '", config->default_cgroup_parent,
                           "': allowed: a path that ",
                           systemd ? "ends in .slice (cgroup_driver: systemd)"
                                   : "does not end in .slice (cgroup_driver: cgroupfs)");
  }
  CRISP_RETURN_IF_ERROR(CompleteContainers(config));
  return CompleteRuntimes(surroundings, config);
}

Result<std::vector<std::string>> ListDropIns(const std::string& dir) {
  std::vector<std::string> out;
  Result<DirFd> opened = DirFd::Open(dir);
  if (!opened.ok() && opened.status().code() == Code::kNotFound) return out;
  if (!opened.ok()) return std::move(opened).status();
  for (const std::string& name : CRISP_TRY(opened->List())) {
    if (name.ends_with(".yaml") && name.front() != '.') out.push_back(JoinPath(dir, name));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The merged tree; `files` gets those that were read.
Result<Value> ReadFiles(const std::string& path, bool required, std::vector<std::string>* files) {
  Value tree = Value::Map();
  Result<std::string> main = ReadFile(path);
  if (main.ok()) {
    tree = CRISP_TRY(ReadYaml(*main, path));
    files->push_back(path);
  } else if (required || main.status().code() != Code::kNotFound) {
    return std::move(main).status().Wrap("configuration");
  }
  for (const std::string& file : CRISP_TRY(ListDropIns(JoinPath(Dirname(path), "conf.d")))) {
    Value over = CRISP_TRY(ReadYaml(CRISP_TRY(ReadFile(file)), file));
    Merge(&tree, std::move(over));
    files->push_back(file);
  }
  return tree;
}

Result<Config> Apply(const Value& tree) {
  Config config;
  Applier applier(&config);
  applier.ApplySection(tree, "", "", "");
  CRISP_RETURN_IF_ERROR(applier.Finish());
  return config;
}

}  // namespace

Surroundings Surroundings::Detect() {
  Surroundings out;
  const char* path = std::getenv("PATH");
  out.path = path != nullptr && *path != '\0' ? path
                                              : "/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                                                "/usr/bin:/sbin:/bin";
  std::string self(PATH_MAX, '\0');
  const ssize_t n = ::readlink("/proc/self/exe", self.data(), self.size());
  if (n > 0) out.executable_dir = Dirname(self.substr(0, static_cast<size_t>(n)));
  return out;
}

Result<Config> FromValue(const Value& tree, const Surroundings& surroundings) {
  Config config = CRISP_TRY(Apply(tree));
  CRISP_RETURN_IF_ERROR(Complete(surroundings, &config));
  return config;
}

Result<Loaded> Load(const std::string& path, bool required, const Surroundings& surroundings) {
  Loaded out;
  const Value tree = CRISP_TRY(ReadFiles(path, required, &out.files));
  out.config = CRISP_TRY(FromValue(tree, surroundings));
  return out;
}

Result<std::string> LoadSocketPath(const std::string& path, bool required) {
  std::vector<std::string> files;
  Config config = CRISP_TRY(Apply(CRISP_TRY(ReadFiles(path, required, &files))));
  CRISP_RETURN_IF_ERROR(CompleteSocket(&config));
  return config.socket.path;
}

Value ToValue(const Config& config) {
  Value out = Value::Map();
  const auto place = [&out](const std::string& key, const std::string& name, Value value) {
    Value* at = &out;
    for (size_t begin = 0;;) {
      const size_t dot = key.find('.', begin);
      const std::string part = key.substr(begin, dot - begin);
      at->kind = Value::Kind::kMap;
      at = &at->At(part == "*" ? name : part);
      if (dot == std::string::npos) break;
      begin = dot + 1;
    }
    *at = std::move(value);
  };
  for (const Setting& setting : Settings()) {
    const size_t star = setting.key.find(".*");
    if (star == std::string::npos) {
      place(setting.key, "", setting.print(config, ""));
      continue;
    }
    const Section* section = FindSection(setting.key.substr(0, star));
    const std::vector<std::string> names = section->names(config);
    if (names.empty()) place(section->key, "", Value::Map());
    for (const std::string& name : names) {
      Value value = setting.print(config, name);
      if (value.kind == Value::Kind::kString && value.text.empty()) continue;  // not set
      place(setting.key, name, std::move(value));
    }
  }
  return out;
}

Changes Compare(const Config& before, const Config& after) {
  Changes out;
  for (const Setting& setting : Settings()) {
    std::set<std::string> names = {""};
    const size_t star = setting.key.find(".*");
    const auto has = [](const std::vector<std::string>& all, const std::string& name) {
      return std::find(all.begin(), all.end(), name) != all.end();
    };
    std::vector<std::string> old_names = {""};
    std::vector<std::string> new_names = {""};
    if (star != std::string::npos) {
      const Section* section = FindSection(setting.key.substr(0, star));
      old_names = section->names(before);
      new_names = section->names(after);
      names = std::set<std::string>(old_names.begin(), old_names.end());
      names.insert(new_names.begin(), new_names.end());
    }
    for (const std::string& name : names) {
      if (has(old_names, name) && has(new_names, name) &&
          ToJson(setting.print(before, name)) == ToJson(setting.print(after, name))) {
        continue;
      }
      std::string key = setting.key;
      if (star != std::string::npos) key.replace(star + 1, 1, name);
      (setting.reloadable ? out.reloadable : out.need_restart).push_back(std::move(key));
    }
  }
  return out;
}

}  // namespace crisp::config
