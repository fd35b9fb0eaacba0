// Registry: manifests and blobs of one repository, from its mirrors in order and then the registry.
//
// Contract: distribution-spec "Pulling manifests", "Pulling blobs". What is asked for by digest is
//           verified; a manifest by tag must agree with the server's Docker-Content-Digest.
// Threads:  FetchBlob and StreamBlob from any thread.
// Errors:   as EndpointList, with its retries; a blob goes on where it broke off (BlobTransfer).
//           Content that is wrong sends the request to the next endpoint.
#ifndef CRISP_IMAGE_PULL_REGISTRY_H_
#define CRISP_IMAGE_PULL_REGISTRY_H_

#include <string>

#include "base/core/result.h"
#include "image/manifest.h"
#include "image/pull/blob_transfer.h"
#include "image/pull/endpoint_list.h"
#include "image/puller_protocol.h"
#include "image/reference.h"

namespace crisp::image {

struct FetchedManifest {
  std::string bytes;
  std::string media_type;
  Digest digest;
};

class Registry {
 public:
  Registry(const PullerRequest& request, const Reference& reference);

  Result<FetchedManifest> FetchManifest(const std::string& tag_or_digest);
  // What is attached to a manifest under a tag made of its digest (cosign's "sha256-<hex>.sig").
  // Such a tag stands for a digest: mirrors that may not say what other tags mean are asked, too.
  Result<FetchedManifest> FetchAttachment(const std::string& tag);
  // A small blob (a config), verified.
  Result<std::string> FetchBlob(const Descriptor& blob, size_t limit_bytes);
  // The bytes as they come; the caller verifies.
  Status StreamBlob(const Descriptor& blob, BlobSources* sources, const ByteSink& sink,
                    const StopFlag& stop);
  // After wrong content: true if it can be had in another way, without pieces or from an endpoint
  // that had no part in it.
  bool ExcludeUsed(BlobSources* sources) const;

 private:
  Result<FetchedManifest> FetchManifestFrom(const std::string& tag_or_digest, bool resolve);

  const EndpointList endpoints_;
  PieceLicence piece_licence_;
  BlobTransfer::Options transfer_;
  HttpClient client_;  // for manifests and configs
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_REGISTRY_H_
