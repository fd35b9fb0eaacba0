// The protocol between the daemon and crisp-pull.
//
// What:    frames on a stream socket (descriptor 3 in crisp-pull): 4 bytes length, little endian,
//          then a JSON object with a member "type". Both ends are of one build; the version in the
//          request catches a half-made upgrade. Credentials travel in the request only: never in
//          arguments, the environment or a message.
//
//   daemon                                      crisp-pull
//     request  ───────────────────────────────────>   what to pull or import, and where to
//              <─────────────────────────────── plan   diff ids, chain ids and compressed sizes
//                                                      (-1: not known) of one image, bottom first
//     layer*   ───────────────────────────────────>   per layer, now or later: "have" it (under
//                                                      this key), or "fetch" it. No word yet:
//                                                      another pull is fetching it.
//              <─────────────────────────── progress   bytes received, time held up here
//              <─────────────────────────────── tied   layer i depends on its parents: others must
//                                                      not wait for it under its diff id
//              <────────────────────────────── layer   layer i is verified in tmp_dir/<dir>/fs
//     layer    ───────────────────────────────────>   "have" it, published
//              <────────────────────────────── image   config, names, files in tmp_dir/<dir>
//              <─────────────── (plan ... image, once more for each further image of an archive)
//   (of a check, instead of all that: <──── checked   the differences of one layer, for each)
//              <─────────────────────────────── done   or "error" with code and message
//
// A closed socket ends crisp-pull at once. Numbers are bytes.
// Threads: FrameSocket: one sender at a time and one receiver at a time.
#ifndef CRISP_IMAGE_PULLER_PROTOCOL_H_
#define CRISP_IMAGE_PULLER_PROTOCOL_H_

#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "image/digest.h"
#include "image/image_service.h"
#include "image/json_text.h"
#include "image/platform.h"
#include "image/policy/signature_demand.h"

namespace crisp::image {

inline constexpr int kPullerSocketFd = 3;
inline constexpr int kPullerProtocolVersion = 5;
// crisp-pull's exit code when it needed more than it may use (pull/memory_limit.h).
inline constexpr int kPullerOutOfMemory = 3;

class FrameSocket {
 public:
  explicit FrameSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  int get() const { return fd_.get(); }
  Status Send(const Json& message);
  // Blocks for a whole frame; empty when the other end has closed between two frames.
  Result<std::optional<Json>> Receive();

 private:
  UniqueFd fd_;
};

struct PullerEndpoint {
  std::string url;             // "https://registry-1.docker.io", without a slash at the end
  std::string repository;      // there; a mirror may call it otherwise
  bool override_path = false;  // `url` is the API's root
  std::string query;           // "ns=docker.io", or empty
  bool resolve = true;         // may be asked for a tag
  bool pull = true;            // may be asked for what a digest names
  EndpointOptions options;
  RegistryAuth auth;  // for this address alone; empty: none
};

struct PullerRequest {
  enum class Operation { kPull, kImport, kCheck, kExport };
  Operation operation = Operation::kPull;
  std::string reference;                  // pull: normalised
  std::vector<PullerEndpoint> endpoints;  // pull: in order
  SignatureDemand signatures;             // pull
  std::string decryption_keys_path;       // pull, import; read when an encrypted layer is met
  std::string path;                       // import: directory or archive; export: where to
  std::string name;  // import: reference that overrides the archive's, or empty; export
  Platform platform;
  std::vector<std::string> layer_keys;     // check; export: bottom first
  std::vector<std::string> opaque_layers;  // export: keys
  std::string records_dir;                 // check
  std::vector<std::string> image_ids;      // check: of those whose files are looked at
  std::vector<std::string> artifact_ids;   // check: likewise; the manifest's digest
  std::string image_dir;                   // export: config.json is there; check: above all images
  std::string layers_dir;                  // where published layers are
  std::string tmp_dir;                     // where this pull may write
  int parallel_layers = 3;
  int parallel_ranges = 4;  // connections of one large blob
  int stall_seconds = 60;
  int64_t max_layer_bytes = int64_t{1} << 40;
};
Json ToJson(const PullerRequest& request);
Result<PullerRequest> PullerRequestFromJson(const Json& json);

// "layer", crisp-pull to daemon.
struct LayerReport {
  size_t layer = 0;
  std::string dir;
  int64_t size_bytes = 0;
  int64_t inodes = 0;
  bool tied = false;
  bool opaque_root = false;
  int64_t received_bytes = 0;  // compressed, over the network or from the archive
};
Json ToJson(const LayerReport& report);
Result<LayerReport> LayerReportFromJson(const Json& json);

// "layer", daemon to crisp-pull.
struct LayerAnswer {
  size_t layer = 0;
  bool have = false;  // false: fetch
  std::string key;    // have: directory in layers_dir
  bool opaque_root = false;
};
Json ToJson(const LayerAnswer& answer);
Result<LayerAnswer> LayerAnswerFromJson(const Json& json);

// "image", crisp-pull to daemon.
struct ImageReport {
  std::string id;                  // "sha256:..."
  std::string dir;                 // in tmp_dir: config.json and, if there is one, manifest.json
  std::vector<std::string> names;  // references, as in the request or the archive; may be empty
  std::string resolved_digest;  // of the manifest or index that the name stands for; may be empty
  int64_t content_bytes = 0;    // of config and manifest
  ImageConfig config;
};
Json ToJson(const ImageReport& report);
Result<ImageReport> ImageReportFromJson(const Json& json);

// "checked", crisp-pull to daemon.
struct CheckedLayer {
  std::string key;  // or the id of an image
  bool has_record = false;
  int64_t difference_count = 0;
  std::vector<std::string> differences;  // the first ones
};
Json ToJson(const CheckedLayer& checked);
Result<CheckedLayer> CheckedLayerFromJson(const Json& json);

// "error", crisp-pull to daemon.
Json ErrorToJson(const Status& status);
Status ErrorFromJson(const Json& json);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULLER_PROTOCOL_H_
