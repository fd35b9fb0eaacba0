#include "image/pull/artifact.h"

#include <limits.h>

#include <set>

#include "image/pull/hasher.h"
#include "image/pull/layer_decryption.h"
#include "image/pull/layer_path.h"

namespace crisp::image {
namespace {

constexpr const char* kTitle = "org.opencontainers.image.title";
// image-spec manifest.md: stands where a list must not be empty.
constexpr std::string_view kEmptyType = "application/vnd.oci.empty.v1+json";

Status CheckName(const std::string& name) {
  const auto bad = [&](std::string_view why) {
    return InvalidArgument("title \"", PrintablePath(name), "\": ", why,
                           "; allowed: a relative path");
  };
  if (name.size() >= PATH_MAX) return bad("too long");
  if (name.find('\0') != std::string::npos) return bad("has a NUL byte");
  std::string_view rest = name;
  for (;;) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.size() > NAME_MAX) {
      return bad("has an impossible component");
    }
    if (slash == std::string_view::npos) return OkStatus();
    rest.remove_prefix(slash + 1);
  }
}

// A name twice, or a file where another one's directory must be.
class Names {
 public:
  Status Add(const std::string& name) {
    if (!files_.insert(name).second || directories_.contains(name)) return Taken(name);
    for (size_t at = name.find('/'); at != std::string::npos; at = name.find('/', at + 1)) {
      const std::string directory = name.substr(0, at);
      if (files_.contains(directory)) return Taken(name);
      directories_.insert(directory);
    }
    return OkStatus();
  }

 private:
  static Status Taken(const std::string& name) {
    return InvalidArgument("title \"", PrintablePath(name), "\": another layer's file is there");
  }
  std::set<std::string> files_;
  std::set<std::string> directories_;
};

}  // namespace

Result<std::vector<ArtifactFile>> ArtifactFiles(const Manifest& manifest) {
  std::vector<ArtifactFile> out;
  Names names;
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    const Descriptor& layer = manifest.layers[i];
    const auto title = layer.annotations.find(kTitle);
    const bool titled = title != layer.annotations.end() && !title->second.empty();
    if (!titled && layer.media_type == kEmptyType) continue;
    if (IsEncrypted(layer)) {
      return InvalidArgument("layer ", i + 1, ": encrypted files of artifacts are not supported");
    }
    ArtifactFile file;
    file.blob = layer;
    file.name = titled ? title->second : layer.digest.hex();
    CRISP_RETURN_IF_ERROR(CheckName(file.name).Wrap("layer ", i + 1));
    CRISP_RETURN_IF_ERROR(names.Add(file.name).Wrap("layer ", i + 1));
    // No archive's digest: what is hashed here is not the archive's bytes.
    file.diff_id =
        CRISP_TRY(DigestOf(Cat("crisp artifact file\n", layer.digest.ToString(), '\n', file.name)));
    out.push_back(std::move(file));
  }
  return out;
}

}  // namespace crisp::image
