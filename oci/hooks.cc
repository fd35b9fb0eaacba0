#include "oci/hooks.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/core/file.h"
#include "oci/drop_in_files.h"

namespace crisp::oci {
namespace {

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

HookCatalog::HookCatalog(std::vector<std::string> directories)
    : directories_(std::move(directories)), watched_(directories_, "OCI hook left out") {}

HookCatalog::Snapshot HookCatalog::Read(const std::vector<std::string>& directories) {
  Snapshot out;
  std::map<std::string, std::string> paths;  // by name; later directories win
  for (const std::string& directory : directories) {
    const auto names = ListDropInFiles(directory, {".json"});
    if (!names.ok()) {
      out.problems.push_back(names.status().message());
      continue;
    }
    for (const std::string& name : *names) paths[name] = JoinPath(directory, name);
  }
  for (const auto& [name, path] : paths) {
    const auto text = ReadDropInFile(path);
    if (text.status().code() == Code::kNotFound) continue;  // removed meanwhile
    if (!text.ok()) {
      out.problems.push_back(text.status().message());
      continue;
    }
    auto file = ParseHookFile(*text).Wrap(path);
    if (file.ok()) {
      out.entries.push_back({path, std::move(file).value()});
    } else {
      out.problems.push_back(file.status().message());
    }
  }
  std::stable_sort(out.entries.begin(), out.entries.end(), [](const Entry& a, const Entry& b) {
    const auto name = [](const Entry& e) { return Lower(e.path.substr(e.path.rfind('/'))); };
    return name(a) < name(b);
  });
  return out;
}

std::shared_ptr<const HookCatalog::Snapshot> HookCatalog::Fresh() {
  return watched_.Fresh([this] { return Read(directories_); });
}

Result<Hooks> HookCatalog::HooksFor(const HookSubject& subject) {
  Hooks out;
  const std::shared_ptr<const Snapshot> snapshot = Fresh();
  for (const Entry& entry : snapshot->entries) {
    if (!entry.file.Matches(subject)) continue;
    for (const HookStage stage : entry.file.stages) {
      CRISP_RETURN_IF_ERROR(CheckHookProgram(stage, entry.file.hook).Wrap("hook of ", entry.path));
      out[stage].push_back(entry.file.hook);
    }
  }
  return out;
}

}  // namespace crisp::oci
