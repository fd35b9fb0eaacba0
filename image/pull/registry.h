// Registry: manifests and blobs of one repository, from its mirrors in order and then the registry.
//
// Contract: distribution-spec "Pulling manifests", "Pulling blobs". What is asked for by digest is
//           verified; a manifest by tag must agree with the server's Docker-Content-Digest.
// Threads:  FetchBlob and StreamBlob from any thread.
// Errors:   the registry's own (the last endpoint's), with what the mirrors said behind it.
// Retries:  what breaks off, stalls after it has begun, 429 and 5xx are tried again with a growing
//           pause, or after Retry-After; a blob goes on where it broke off (Range), and an attempt
//           that brought much (1 MiB) does not count. Content that is wrong sends the request to
//           the next endpoint; one that cannot be reached comes last from then on.
#ifndef CRISP_IMAGE_PULL_REGISTRY_H_
#define CRISP_IMAGE_PULL_REGISTRY_H_

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/manifest.h"
#include "image/pull/registry_endpoint.h"
#include "image/puller_protocol.h"
#include "image/reference.h"

namespace crisp::image {

struct FetchedManifest {
  std::string bytes;
  std::string media_type;
  Digest digest;
};

// Where one blob came from so far: endpoints whose content was wrong are not asked again.
struct BlobSources {
  std::set<const RegistryEndpoint*> used;
  std::set<const RegistryEndpoint*> excluded;
};

class Registry {
 public:
  Registry(const PullerRequest& request, const Reference& reference);

  Result<FetchedManifest> FetchManifest(const std::string& tag_or_digest);
  // A small blob (a config), verified.
  Result<std::string> FetchBlob(const Descriptor& blob, size_t limit_bytes);
  // The bytes as they come; the caller verifies.
  Status StreamBlob(const Descriptor& blob, BlobSources* sources, const ByteSink& sink,
                    const StopFlag& stop);
  // After wrong content: true if there is an endpoint left that had no part in it.
  bool ExcludeUsed(BlobSources* sources) const;

 private:
  using Attempt = std::function<Status(RegistryEndpoint&)>;
  struct Course {
    bool resolve = false;  // a tag is asked for
    const StopFlag* stop = nullptr;
    const int64_t* progress = nullptr;  // grows with what has been received
    const BlobSources* sources = nullptr;
  };
  // Runs `attempt` on the endpoints in order, each with retries, until one works.
  Status OnSomeEndpoint(const Course& course, const Attempt& attempt);
  Status WithRetries(RegistryEndpoint& endpoint, const Course& course, const Attempt& attempt);
  std::vector<RegistryEndpoint*> Order(const Course& course) const;

  const Reference reference_;
  const int stall_seconds_;
  std::vector<std::unique_ptr<RegistryEndpoint>> endpoints_;
  HttpClient client_;  // for manifests and configs
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_REGISTRY_H_
