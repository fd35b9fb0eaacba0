// ImageService: the door of the image room. Everything that the daemon knows about images.
//
// What:     images and layers on disk, pulls through crisp-pull, root filesystems for containers.
// Contract: cri-contract section 12; OCI image-spec and distribution-spec (named where used).
// Persistence: images.db (SQLite, FULL) and layers/ below Options::root; all rows are in memory
//           too, so that List and Find never touch the disk.
// Threads:  every method may be called from any thread. List, Find and FsInfo never block on disk
//           or network. Pull blocks its caller (a pull lane) until the image is visible.
// Units:    bytes; ns since the epoch.
// After a failure: a failed, cancelled or killed Pull/Import leaves nothing visible; its temporary
//           directories are removed at once or at the next start.
#ifndef CRISP_IMAGE_IMAGE_SERVICE_H_
#define CRISP_IMAGE_IMAGE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/cancel.h"
#include "base/core/result.h"
#include "base/telemetry.h"

namespace crisp {
class Reaper;
}

namespace crisp::image {

// What a container needs of an image's config (image-spec config.md, "config").
struct ImageConfig {
  std::string user;  // "uid", "name", "uid:gid", "name:group" or empty
  std::vector<std::string> env;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::string working_dir;
  std::string stop_signal;
  std::vector<std::string> volumes;
  std::map<std::string, std::string> labels;
  // Not empty: this is no container image but an OCI artifact of this type, whose files can be
  // mounted as an image volume (pull/artifact.h).
  std::string artifact_type;
};

// One image, immutable once published; a changed tag makes a new object.
struct Image {
  std::string id;                         // "sha256:<hex of the config digest>"; artifact: manifest
  std::vector<std::string> repo_tags;     // full names, sorted, unique
  std::vector<std::string> repo_digests;  // name@sha256:..., sorted, unique
  std::vector<std::string> diff_ids;      // bottom layer first
  std::string chain_id;                   // image-spec "Layer ChainID" of the top layer
  int64_t size_bytes = 0;                 // unpacked
  bool pinned = false;
  ImageConfig config;
};
using ImagePtr = std::shared_ptr<const Image>;

struct RegistryAuth {  // cri-contract 12.3; never logged
  std::string username;
  std::string password;
  std::string identity_token;
  std::string registry_token;
  std::string server_address;  // empty: any
};

struct PullRequest {
  std::string reference;  // as the user wrote it; normalised inside
  RegistryAuth auth;
  std::string pod_namespace;  // for RegistryFiles::namespace_auth_dir; may be empty
  CancelToken cancel;
};

// A pull that is under way.
struct PullProgress {
  std::string requested;  // as whoever asked wrote it
  std::string reference;  // normalised; of an import the path
  int64_t started_ns = 0;
  size_t layers_total = 0;  // 0: the manifest is not known yet
  size_t layers_ready = 0;  // in the store
  int64_t bytes_total = 0;  // compressed, of the layers that are not in the store at the start
  int64_t bytes_received = 0;
};

struct DamagedLayer {
  std::string diff_id;
  std::vector<std::string> images;       // their names, or ids
  std::vector<std::string> differences;  // the first ones
  size_t difference_count = 0;
  bool repaired = false;
  std::string repair_error;
};
// An image whose configuration (of an artifact: manifest) is not what its id says.
struct DamagedImage {
  std::string id;
  std::string name;  // or the id
  std::string difference;
  bool repaired = false;
  std::string repair_error;
};
// A directory below the root that no image has, left by whoever.
struct Stranger {
  std::string path;  // below the root
  bool removed = false;
  std::string removal_error;
};
struct CheckReport {
  size_t images_checked = 0;
  std::vector<DamagedImage> damaged_images;
  std::vector<Stranger> strangers;
  size_t layers_checked = 0;
  size_t layers_without_record = 0;  // unpacked by a crisp that made none
  std::vector<DamagedLayer> damaged;
};
struct Collected {
  size_t layers = 0;
  uint64_t bytes = 0;
};

struct FsInfo {
  std::string mountpoint;  // existing directory of the store
  uint64_t used_bytes = 0;
  uint64_t inodes_used = 0;
  int64_t timestamp_ns = 0;
};

// Keeps an image's layers on disk while it is held, also when the image is removed meanwhile.
// Leases live in memory: containers persist their image id and acquire it again at recovery. What
// was removed while leased stays on disk ("unlisted") until CollectGarbage(), so that this works.
class Lease {
 public:
  virtual ~Lease() = default;
  virtual const ImagePtr& image() const = 0;
};
using LeasePtr = std::shared_ptr<const Lease>;

// How one address is talked to.
struct EndpointOptions {
  bool plain_http = false;
  bool skip_tls_verify = false;
  std::vector<std::string> ca_files;  // PEM; none: the system's authorities
  bool ca_adds_to_system = false;     // ca_files beside the system's, instead of in their place
  std::string client_cert_file;       // PEM
  std::string client_key_file;
  std::map<std::string, std::string> headers;  // sent to this address only; may be secrets

  bool has_tls_settings() const {
    return skip_tls_verify || !ca_files.empty() || !client_cert_file.empty();
  }
};

enum class MirrorUse { kAll, kDigestOnly, kTagOnly };  // by what the image is pulled

struct MirrorOptions : EndpointOptions {
  std::string location;        // host[:port][/path] or URL
  bool override_path = false;  // a URL's path is the API's root: no /v2 behind it
  MirrorUse use = MirrorUse::kAll;
};

struct RegistryOptions : EndpointOptions {
  std::vector<MirrorOptions> mirrors;  // tried in order before the registry
  bool blocked = false;
};

// The ecosystem's own files; none of them must exist. Empty: not looked at.
struct RegistryFiles {
  std::string registries_conf;          // containers-registries.conf(5); at Open and Reload
  std::vector<std::string> certs_dirs;  // <host>/hosts.toml or certificates; at every pull
  std::string auth_file;                // containers-auth.json(5); at every pull
  std::string namespace_auth_dir;       // <namespace>.json wins over auth_file; at every pull
};

// Where the signatures of a scope are (containers-registries.d(5)).
struct Lookaside {
  std::optional<std::string> url;  // http, https or file; without: what a wider scope says
  // Sigstore signatures beside the image in its registry; likewise, and at last true.
  std::optional<bool> use_attachments;
};

// Who must have signed images (policy/policy_files.h). All of it is read at every pull.
struct SignatureOptions {
  std::string policy_file;  // containers-policy.json(5); empty: none
  // A missing policy_file keeps everything out, instead of letting everything in.
  bool policy_required = false;
  std::string namespace_policy_dir;  // <namespace>.json instead of policy_file
  // By scope, "" for the rest; called where a signature is wanted. May be empty.
  std::function<Result<std::map<std::string, Lookaside>>()> read_lookaside;
};

// What may change at run time.
struct Reloadable {
  // Key: registry host as in references; "_default" is for those that have nothing of their own.
  std::map<std::string, RegistryOptions> registries;
  std::vector<std::string> pinned_images;  // references and patterns
  // Directory of private keys for encrypted images, or one file (pull/decryption_keys.h); read by
  // crisp-pull when an image needs one. Empty: none.
  std::string decryption_keys_path;
};

struct Options : Reloadable {
  std::string root;         // e.g. /var/lib/crisp; layers/, images/, images.db are below it
  std::string pull_binary;  // crisp-pull
  RegistryFiles registry_files;
  SignatureOptions signatures;
  std::string default_platform_os = "linux";
  std::string default_platform_arch;             // empty: this machine's
  int parallel_layers = 3;                       // of one pull
  int transfers = 6;                             // of all pulls together; each has one
  int parallel_pulls = 8;                        // without those that a registry keeps waiting
  int parallel_ranges = 4;                       // connections of one large layer; 1: no ranges
  int64_t max_layer_bytes = int64_t{256} << 30;  // uncompressed; a larger one is refused
  int pull_stall_seconds = 60;                   // a pull fails when nothing comes for so long
  std::vector<int> pull_cgroup_dirs;             // where crisp-pull is moved to
  // Called with the directory of the layers before anything is made in it (SELinux labels).
  std::function<Status(const std::string& directory)> prepare_layers;
  Reaper* reaper = nullptr;
  Telemetry* telemetry = nullptr;  // required
};

// How an image is seen where it is mounted.
struct MountOptions {
  int user_namespace = -1;  // a descriptor of the pod's (overlay.h); -1: none
  std::string label;        // SELinux context of all files; empty: none
};

class ImageService {
 public:
  // Opens (makes) the store, drops what an earlier process left half-made.
  static Result<std::unique_ptr<ImageService>> Open(Options options);
  virtual ~ImageService() = default;

  // Every image, sorted by id.
  virtual std::vector<ImagePtr> List() const = 0;
  // By full id, unambiguous id prefix (with or without "sha256:"), name:tag, name@digest or short
  // name. nullptr: none. kInvalidArgument: not a reference and not an id; kFailedPrecondition: the
  // prefix is ambiguous.
  virtual Result<ImagePtr> Find(const std::string& reference) const = 0;
  // The image id. Codes: kNotFound (manifest), kUnauthenticated/kPermissionDenied, kUnavailable
  // (no registry answered), kDataLoss (digest mismatch), kInvalidArgument (reference),
  // kCancelled/kDeadlineExceeded; kPermissionDenied with errno EKEYREJECTED when the signature
  // policy does not let the image in; kFailedPrecondition when no key opens an encrypted layer.
  virtual Result<std::string> Pull(const PullRequest& request) = 0;
  // Oldest first. From memory.
  virtual std::vector<PullProgress> Pulls() const = 0;
  // Compares layers on disk, contents too, with what was recorded when they were unpacked, and the
  // images' own files with their ids. Images with damage are quarantined as soon as it is found,
  // also when the check is cancelled later: no longer listed or found; what runs on them goes on.
  // The next pull fetches the layer anew and lists them again. `repair` pulls them at the end, by
  // their digests. A file that cannot be read for want of resources is an error, not damage.
  virtual Result<CheckReport> Check(bool repair, const CancelToken& cancel) = 0;
  // Deletes what nothing holds, and waits until it is gone.
  virtual Collected Collect() = 0;
  // Imports an OCI layout directory, an OCI archive or a docker-archive tarball. `name` overrides
  // the reference in the archive. Returns the image ids.
  virtual Result<std::vector<std::string>> Import(const std::string& path, const std::string& name,
                                                  const CancelToken& cancel) = 0;
  // Writes the image as an OCI archive to `path` on this host, atomically. Its layers get new
  // digests (pull/image_export.h). kNotFound: no such image.
  virtual Status Export(const std::string& reference, const std::string& path,
                        const CancelToken& cancel) = 0;
  // Removes the image with all its tags, a quarantined one too; missing is OK (cri-contract 12.4).
  // Layers that no image and no lease uses are deleted.
  virtual Status Remove(const std::string& reference) = 0;
  // From cached numbers; refreshed by the store's own writes.
  virtual FsInfo GetFsInfo() const = 0;

  // `image_id`: the full id. kNotFound when the image is not there, e.g. removed between Find and
  // here. Until the first CollectGarbage() images that were removed while leased by an earlier
  // process, or are damaged or incomplete, can be acquired too (recovery of their containers).
  virtual Result<LeasePtr> Acquire(const std::string& image_id) = 0;

  // Call once, when recovery has acquired what its containers use: from then on removed images and
  // unreferenced layers are deleted as soon as nothing holds them. Until then nothing is deleted.
  virtual void CollectGarbage() = 0;

  // Mounts `lease`'s layers with `upper`/`work` as a writable overlay on `target` (private
  // propagation). All directories exist. Undo: EnsureUnmounted(target). With a user namespace
  // `upper` belongs to its root.
  virtual Status MountRootfs(const Lease& lease, const std::string& upper, const std::string& work,
                             const std::string& target, const MountOptions& options) = 0;

  // Mounts `lease`'s image on the directory `target`: read-only, nosuid, nodev, noexec, private.
  // For images and artifacts. Undo as above.
  virtual Status MountImage(const Lease& lease, const std::string& target,
                            const MountOptions& options) = 0;

  // SIGHUP: also reads the registries' files again. All or nothing.
  virtual Status Reload(Reloadable next) = 0;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_IMAGE_SERVICE_H_
