// TokenStore: requests that wait for their client, by the token in the URL.
//
// Contract: streaming.md section 2: 6 random bytes in URL-safe base64, one minute, single use.
// Threads:  any.
// Secrets:  a token is the only credential of its request; it must not be logged.
#ifndef CRISP_SERVER_STREAMING_TOKENS_H_
#define CRISP_SERVER_STREAMING_TOKENS_H_

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "cri-api/api.pb.h"
#include "server/streaming/kind.h"

namespace crisp::streaming {

using StreamRequest = std::variant<runtime::v1::ExecRequest, runtime::v1::AttachRequest,
                                   runtime::v1::PortForwardRequest>;
// Its alternatives are in the order of Kind.
inline Kind KindOf(const StreamRequest& request) { return static_cast<Kind>(request.index()); }

class TokenStore {
 public:
  TokenStore(size_t max_tokens, Duration life, std::function<MonoTime()> clock)
      : max_tokens_(max_tokens), life_(life), clock_(std::move(clock)) {}

  // kResourceExhausted: max_tokens wait already.
  Result<std::string> Add(StreamRequest request);
  // The request, which is forgotten here; nothing when the token is unknown, used, expired or of
  // another kind. In the last case it is used up as well.
  std::optional<StreamRequest> Take(Kind kind, std::string_view token);
  size_t size() const;

 private:
  struct Waiting {
    StreamRequest request;
    MonoTime expires;
  };
  void DropExpired();  // with mutex_ held

  const size_t max_tokens_;
  const Duration life_;
  const std::function<MonoTime()> clock_;
  mutable std::mutex mutex_;  // guards the rest
  std::unordered_map<std::string, Waiting> waiting_;
  std::deque<std::pair<MonoTime, std::string>> by_age_;  // also of tokens that were taken
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_TOKENS_H_
