// FakeRegistry: an HTTP server on loopback that plays a registry, honest or not.
//
// What:    blobs and manifests are set by the test; a hook may answer any request differently, or
//          write whatever it wants to the socket.
// Threads: a thread per connection; the maps are set before the first request.
#ifndef CRISP_TESTS_INTEGRATION_IMAGE_FAKE_REGISTRY_H_
#define CRISP_TESTS_INTEGRATION_IMAGE_FAKE_REGISTRY_H_

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/core/unique_fd.h"

namespace crisp::image {

struct FakeRequest {
  std::string method;
  std::string target;                          // path and query
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string Header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? std::string() : it->second;
  }
};

struct FakeResponse {
  int status = 200;
  std::vector<std::string> headers;  // "Name: value"
  std::string body;
  // Instead of the body's own length.
  std::optional<size_t> claimed_length;
  // After the head; gets the socket. The connection is closed behind it.
  std::function<void(int fd)> write_body;
};

// All of it, or as "Range: bytes=N-" and "bytes=N-M" say.
FakeResponse BlobAnswer(const std::string& blob, const FakeRequest& request);

class FakeRegistry {
 public:
  using Hook = std::function<std::optional<FakeResponse>(const FakeRequest&)>;

  FakeRegistry();
  ~FakeRegistry();

  std::string host() const;  // "127.0.0.1:<port>"
  void SetHook(Hook hook);

  // By digest ("sha256:...") and by "<repository>:<tag>".
  std::string AddBlob(const std::string& bytes);
  void AddManifest(const std::string& tag, const std::string& bytes, const std::string& type);

  std::vector<FakeRequest> requests() const;
  size_t CountRequests(const std::string& part_of_target) const;
  bool stopping() const { return stopping_; }

 private:
  void Accept();
  void Serve(UniqueFd connection);
  FakeResponse Answer(const FakeRequest& request);
  FakeResponse Content(const FakeRequest& request);

  UniqueFd listener_;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  Hook hook_;
  std::map<std::string, std::string> blobs_;
  std::map<std::string, std::pair<std::string, std::string>> manifests_;
  std::vector<FakeRequest> requests_;
  std::list<std::thread> threads_;
  std::list<int> connections_;
  std::thread acceptor_;
};

}  // namespace crisp::image

#endif  // CRISP_TESTS_INTEGRATION_IMAGE_FAKE_REGISTRY_H_
