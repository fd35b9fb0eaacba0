#include "network/config_dir.h"

#include <algorithm>
#include <vector>

#include "base/core/dir_fd.h"
#include "base/core/file.h"

namespace crisp::network {
namespace {

constexpr size_t kFileLimit_bytes = 1u << 20;

bool IsConfigName(std::string_view name) {
  return name.ends_with(".conflist") || name.ends_with(".conf") || name.ends_with(".json");
}

Result<std::vector<std::string>> ConfigNames(const std::string& dir) {
  std::vector<std::string> names = CRISP_TRY(CRISP_TRY(DirFd::Open(dir)).List());
  std::erase_if(names, [](const std::string& name) { return !IsConfigName(name); });
  std::sort(names.begin(), names.end());
  return names;
}

Result<NetworkConfig> LoadFile(const std::string& path) {
  const std::string text = CRISP_TRY(ReadRegularFile(path, kFileLimit_bytes));
  return ParseNetworkConfig(text,
                            path.ends_with(".conflist") ? ConfigForm::kList : ConfigForm::kSingle);
}

Readiness NotReady(std::string message) {
  Readiness readiness;
  readiness.reason = "NetworkPluginNotReady";
  readiness.message = std::move(message);
  return readiness;
}

}  // namespace

ConfigSnapshot LoadConfigDir(const std::string& dir) {
  ConfigSnapshot snapshot;
  const auto names = ConfigNames(dir);
  if (!names.ok()) {
    snapshot.readiness = NotReady(Cat("no CNI configuration: ", names.status().message()));
    return snapshot;
  }
  for (const std::string& name : *names) {
    const std::string path = JoinPath(dir, name);
    auto config = LoadFile(path);
    if (config.ok()) {
      snapshot.readiness.ready = true;
      snapshot.readiness.config_file = path;
      snapshot.readiness.config_json = config->json;
      snapshot.config = std::move(config).value();
      return snapshot;
    }
    snapshot.skipped +=
        Cat(snapshot.skipped.empty() ? "" : "; ", name, ": ", config.status().message());
  }
  snapshot.readiness =
      NotReady(snapshot.skipped.empty()
                   ? Cat("no CNI configuration: ", dir, " has no *.conflist, *.conf or *.json")
                   : Cat("no valid CNI configuration in ", dir, ": ", snapshot.skipped));
  return snapshot;
}

}  // namespace crisp::network
