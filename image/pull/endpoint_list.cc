#include "image/pull/endpoint_list.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace crisp::image {
namespace {

constexpr int kAttempts = 4;
constexpr auto kFirstPause = std::chrono::milliseconds(200);

// What makes an attempt not count. Less than that each time is an attack.
constexpr int64_t kProgressBytes = 1 << 20;
// Longer waits are the caller's: the kubelet has a back-off of its own.
constexpr auto kLongestPause = std::chrono::minutes(2);

bool WorthAnotherTry(const Status& status) {
  return status.sys_errno() == EAGAIN || status.sys_errno() == ECONNRESET;
}

bool Pause(Duration length, const StopFlag* stop) {
  constexpr auto kStep = std::chrono::milliseconds(50);
  const MonoTime end = MonoNow() + length;
  while (MonoNow() < end) {
    if (stop != nullptr && stop->IsSet()) return false;
    std::this_thread::sleep_for(std::min<Duration>(kStep, end - MonoNow()));
  }
  return true;
}

}  // namespace

EndpointList::EndpointList(const std::vector<PullerEndpoint>& endpoints, std::string domain)
    : domain_(std::move(domain)) {
  for (const PullerEndpoint& endpoint : endpoints) {
    endpoints_.push_back(std::make_unique<RegistryEndpoint>(endpoint));
  }
}

// Those that cannot be reached last: each request to them would wait for the connection.
std::vector<RegistryEndpoint*> EndpointList::Order(const Course& course) const {
  std::vector<RegistryEndpoint*> out;
  for (const bool unreachable : {false, true}) {
    for (const auto& endpoint : endpoints_) {
      if (!(course.resolve ? endpoint->resolves() : endpoint->pulls())) continue;
      if (course.sources != nullptr && course.sources->excluded.contains(endpoint.get())) continue;
      if (endpoint->unreachable() == unreachable) out.push_back(endpoint.get());
    }
  }
  return out;
}

Status EndpointList::WithRetries(RegistryEndpoint& endpoint, const Course& course,
                                 const Attempt& attempt) const {
  const auto received = [&] { return course.progress != nullptr ? *course.progress : 0; };
  int64_t counted = received();
  for (int i = 0;; ++i) {
    const int64_t before = received();
    const MonoTime begun = MonoNow();
    Status failure = attempt(endpoint);
    if (failure.ok() || failure.code() == Code::kCancelled) return failure;
    if (received() - counted >= kProgressBytes) {
      counted = received();
      i = 0;
    }
    const bool stalled = received() > before && failure.sys_errno() == ETIMEDOUT;
    const bool again = stalled || WorthAnotherTry(failure);
    if (!again || i + 1 == kAttempts) return failure;
    const Duration asked =
        failure.sys_errno() == EAGAIN ? endpoint.RetryAfter(begun) : Duration::zero();
    if (asked > kLongestPause) {
      const auto seconds = std::chrono::ceil<std::chrono::seconds>(asked).count();
      return std::move(failure).Wrap("asks to come back in ", seconds, " s");
    }
    if (!Pause(std::max<Duration>(asked, kFirstPause * (1 << i)), course.stop)) {
      return Cancelled("the transfer was stopped");
    }
  }
}

Status EndpointList::OnSome(const Course& course, const Attempt& attempt) const {
  Status failure = Unavailable("no registry is configured for ", domain_);
  std::string mirrors;
  const std::vector<RegistryEndpoint*> order = Order(course);
  for (RegistryEndpoint* endpoint : order) {
    failure = WithRetries(*endpoint, course, attempt);
    if (failure.ok() || failure.code() == Code::kCancelled) return failure;
    if (failure.sys_errno() == ECONNREFUSED) endpoint->SetUnreachable();
    if (endpoint != order.back()) mirrors += Cat("; mirror: ", failure.message());
  }
  return Status(failure.code(), failure.message() + mirrors, failure.sys_errno());
}

}  // namespace crisp::image
