#include "slow_streams.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <thread>

#include "base/core/file.h"
#include "tar_builder.h"

namespace crisp::image {

std::string RandomBytes(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out(n, '\0');
  for (size_t i = 0; i + 8 <= n; i += 8) {
    const uint64_t value = random();
    out.replace(i, 8, reinterpret_cast<const char*>(&value), 8);
  }
  return out;
}

bool IsPiece(const FakeRequest& request) {
  const std::string range = request.Header("range");
  return !range.empty() && range.back() != '-';
}

FakeResponse Slow(const std::string& blob, const FakeRequest& request, size_t slow_bytes) {
  FakeResponse out = BlobAnswer(blob, request);
  const auto body = std::make_shared<const std::string>(std::exchange(out.body, {}));
  out.claimed_length = body->size();
  out.write_body = [body, slow_bytes](int fd) {
    size_t at = 0;
    for (; at < std::min(slow_bytes, body->size()); at += 256 << 10) {
      if (!WriteAll(fd, std::string_view(*body).substr(at, 256 << 10)).ok()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
    (void)WriteAll(fd, std::string_view(*body).substr(std::min(at, body->size())));
  };
  return out;
}

FakeRegistry::Hook SlowStreams(std::vector<std::string> blobs, FakeRegistry::Hook hook,
                               size_t slow_bytes) {
  const auto shared = std::make_shared<std::map<std::string, std::string>>();
  for (std::string& blob : blobs) {
    const std::string digest = Sha256(blob);
    shared->emplace(digest, std::move(blob));
  }
  return [shared, hook, slow_bytes](const FakeRequest& request) -> std::optional<FakeResponse> {
    const auto blob = shared->find(request.target.substr(request.target.rfind('/') + 1));
    if (blob == shared->end()) return std::nullopt;
    if (request.Header("range").empty()) return Slow(blob->second, request, slow_bytes);
    return hook ? hook(request) : std::nullopt;
  };
}

}  // namespace crisp::image
