#include "oci/cdi.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/core/file.h"
#include "oci/drop_in_files.h"

namespace crisp::oci {

struct CdiCatalog::Snapshot {
  struct File {
    std::string path;
    CdiSpec spec;
  };
  struct Entry {
    std::shared_ptr<const File> file;
    const CdiDevice* device = nullptr;
    size_t directory = 0;
    std::string conflict;  // path of another file of the same directory
  };
  // By kind and name.
  std::map<std::string, std::map<std::string, Entry>> devices;
  std::vector<std::string> problems;
};

namespace {

using Snapshot = CdiCatalog::Snapshot;

constexpr size_t kMostNamed = 20;

std::string Join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += Cat(out.empty() ? "" : ", ", part);
  return out;
}

template <typename Map>
std::string Names(const Map& map) {
  std::string out;
  size_t shown = 0;
  for (const auto& [name, unused] : map) {
    if (shown++ == kMostNamed) return out + ", ...";
    out += Cat(out.empty() ? "" : ", ", name);
  }
  return out;
}

Result<CdiSpec> ReadSpec(const CdiOptions& options, const std::string& path) {
  std::string text = CRISP_TRY(ReadDropInFile(path));
  if (path.ends_with(".yaml")) {
    if (!options.yaml_to_json) return InvalidArgument(path, ": YAML is not supported here");
    text = CRISP_TRY(options.yaml_to_json(text, path));
  }
  return ParseCdiSpec(text).Wrap(path);
}

void AddFile(const std::shared_ptr<const Snapshot::File>& file, size_t directory, Snapshot* out) {
  for (const CdiDevice& device : file->spec.devices) {
    Snapshot::Entry& entry = out->devices[file->spec.kind][device.name];
    if (entry.file != nullptr && entry.directory == directory) {
      entry.conflict = file->path;
      out->problems.push_back(Cat(file->path, ": device ", file->spec.kind, '=', device.name,
                                  " is also in ", entry.file->path));
      continue;
    }
    entry = {file, &device, directory, ""};
  }
}

Snapshot ReadDirectories(const CdiOptions& options) {
  Snapshot out;
  for (size_t i = 0; i < options.directories.size(); ++i) {
    const std::string& directory = options.directories[i];
    const auto names = ListDropInFiles(directory, {".json", ".yaml"});
    if (!names.ok()) {
      out.problems.push_back(names.status().message());
      continue;
    }
    for (const std::string& name : *names) {
      const std::string path = JoinPath(directory, name);
      auto spec = ReadSpec(options, path);
      if (spec.ok()) {
        AddFile(
            std::make_shared<const Snapshot::File>(Snapshot::File{path, std::move(spec).value()}),
            i, &out);
      } else if (spec.status().code() != Code::kNotFound) {  // removed meanwhile
        out.problems.push_back(spec.status().message());
      }
    }
  }
  return out;
}

Status NotThere(const std::string& name, const CdiName& parsed, const Snapshot& snapshot,
                const CdiOptions& options) {
  const auto kind = snapshot.devices.find(parsed.kind);
  std::string what = Cat("CDI device '", name, "': not found in ", Join(options.directories), "; ");
  if (kind != snapshot.devices.end()) {
    what += Cat("devices of kind ", parsed.kind, " there: ", Names(kind->second));
  } else if (snapshot.devices.empty()) {
    what += "no file there describes a device";
  } else {
    what += Cat("kinds there: ", Names(snapshot.devices));
  }
  if (!snapshot.problems.empty()) what += Cat("; left out: ", snapshot.problems.front());
  return NotFound(what);
}

// Shares the file's life.
std::shared_ptr<const CdiEdits> Share(const std::shared_ptr<const Snapshot::File>& file,
                                      const CdiEdits* edits) {
  return {file, edits};
}

}  // namespace

CdiCatalog::CdiCatalog(CdiOptions options)
    : options_(std::move(options)), watched_(options_.directories, "CDI spec left out") {}

CdiCatalog::~CdiCatalog() = default;

std::shared_ptr<const Snapshot> CdiCatalog::Fresh() {
  return watched_.Fresh([this] { return ReadDirectories(options_); });
}

Result<std::vector<CdiChange>> CdiCatalog::Resolve(const std::vector<std::string>& names) {
  std::vector<CdiChange> out;
  if (names.empty()) return out;
  const std::shared_ptr<const Snapshot> snapshot = Fresh();
  std::set<std::string> done;
  for (const std::string& name : names) {
    const CdiName parsed = CRISP_TRY(ParseCdiName(name));
    if (!done.insert(name).second) continue;
    const auto kind = snapshot->devices.find(parsed.kind);
    const bool known = kind != snapshot->devices.end() && kind->second.contains(parsed.device);
    if (!known) return NotThere(name, parsed, *snapshot, options_);
    const Snapshot::Entry& entry = kind->second.at(parsed.device);
    if (!entry.conflict.empty()) {
      return FailedPrecondition("CDI device '", name, "': described twice, in ", entry.file->path,
                                " and in ", entry.conflict);
    }
    const std::string origin = Cat("CDI device '", name, "' (", entry.file->path, ')');
    if (done.insert(entry.file->path).second) {
      out.push_back({origin, Share(entry.file, &entry.file->spec.edits), entry.file->path, false});
    }
    out.push_back({origin, Share(entry.file, &entry.device->edits), entry.file->path, true});
  }
  return out;
}

std::vector<std::string> CdiCatalog::Problems() const { return watched_.Problems(); }

}  // namespace crisp::oci
