// EndpointList: the addresses of one repository, mirrors in order and then the registry.
//
// Threads:  any; an attempt runs in its caller's thread.
// Errors:   the registry's own (the last endpoint's), with what the mirrors said behind it.
// Retries:  what breaks off, stalls after it has begun, 429 and 5xx are tried again with a growing
//           pause, or after Retry-After; an attempt that brought much (1 MiB) does not count. What
//           else fails sends the request to the next endpoint; one that cannot be reached comes
//           last from then on.
#ifndef CRISP_IMAGE_PULL_ENDPOINT_LIST_H_
#define CRISP_IMAGE_PULL_ENDPOINT_LIST_H_

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/pull/registry_endpoint.h"
#include "image/puller_protocol.h"

namespace crisp::image {

// Where one blob came from so far: endpoints whose content was wrong are not asked again.
struct BlobSources {
  std::set<const RegistryEndpoint*> used;
  std::set<const RegistryEndpoint*> excluded;
  bool in_pieces = false;  // some of it
  bool no_pieces = false;  // with some in pieces it was wrong
};

class EndpointList {
 public:
  using Attempt = std::function<Status(RegistryEndpoint&)>;
  struct Course {
    bool resolve = false;  // a tag is asked for
    const StopFlag* stop = nullptr;
    const int64_t* progress = nullptr;  // grows with what has been received
    const BlobSources* sources = nullptr;
  };

  EndpointList(const std::vector<PullerEndpoint>& endpoints, std::string domain);

  // Runs `attempt` on the endpoints in order, each with retries, until one works.
  Status OnSome(const Course& course, const Attempt& attempt) const;
  // On this one only.
  Status WithRetries(RegistryEndpoint& endpoint, const Course& course,
                     const Attempt& attempt) const;
  // Those that `course` may ask, in order.
  std::vector<RegistryEndpoint*> Order(const Course& course) const;

 private:
  const std::string domain_;
  std::vector<std::unique_ptr<RegistryEndpoint>> endpoints_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_ENDPOINT_LIST_H_
