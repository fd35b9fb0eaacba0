#include "server/streaming/tokens.h"

#include <sys/random.h>

#include <array>

#include "base/base64.h"

namespace crisp::streaming {
namespace {

Result<std::string> RandomToken() {
  std::array<char, 6> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return Errno("getrandom");
  }
  return EncodeBase64({bytes.data(), bytes.size()}, Base64Alphabet::kUrl);
}

}  // namespace

Result<std::string> TokenStore::Add(StreamRequest request) {
  std::string token = CRISP_TRY(RandomToken());
  std::lock_guard lock(mutex_);
  DropExpired();
  if (waiting_.size() >= max_tokens_) {
    return ResourceExhausted(max_tokens_,
                             " streaming URLs wait for their client already; each is good for ",
                             std::chrono::ceil<std::chrono::seconds>(life_).count(), " s");
  }
  const MonoTime expires = clock_() + life_;
  while (!waiting_.try_emplace(token, Waiting{request, expires}).second) {
    token = CRISP_TRY(RandomToken());  // 1000 of 2^48: hardly ever
  }
  by_age_.emplace_back(expires, token);
  return token;
}

std::optional<StreamRequest> TokenStore::Take(Kind kind, std::string_view token) {
  std::lock_guard lock(mutex_);
  DropExpired();
  const auto it = waiting_.find(std::string(token));
  if (it == waiting_.end()) return std::nullopt;
  StreamRequest request = std::move(it->second.request);
  waiting_.erase(it);
  if (KindOf(request) != kind) return std::nullopt;
  return request;
}

void TokenStore::DropExpired() {
  const MonoTime now = clock_();
  while (!by_age_.empty() && by_age_.front().first <= now) {
    const auto it = waiting_.find(by_age_.front().second);
    if (it != waiting_.end() && it->second.expires <= now) waiting_.erase(it);
    by_age_.pop_front();
  }
}

size_t TokenStore::size() const {
  std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace crisp::streaming
