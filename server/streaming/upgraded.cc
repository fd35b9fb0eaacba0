#include "server/streaming/upgraded.h"

namespace crisp::streaming {
namespace {

template <typename Request>
WantedChannels Wanted(const Request& request) {
  return {request.stdin(), request.stdout(), request.stderr() && !request.tty(), request.tty()};
}

}  // namespace

void StartSession(const Surroundings& surroundings, StreamRequest request,
                  std::unique_ptr<Channels> channels, std::function<void()> ended) {
  if (auto* exec = std::get_if<runtime::v1::ExecRequest>(&request)) {
    surroundings.starters.exec(surroundings.context, std::move(*exec), std::move(channels),
                               std::move(ended));
  } else if (auto* attach = std::get_if<runtime::v1::AttachRequest>(&request)) {
    surroundings.starters.attach(surroundings.context, std::move(*attach), std::move(channels),
                                 std::move(ended));
  }
}

std::shared_ptr<HeldBudget> ReadingBudget(size_t bytes, std::shared_ptr<Link> link) {
  return std::make_shared<HeldBudget>(bytes, [link = std::move(link)](bool full) {
    full ? link->PauseReading() : link->ResumeReading();
  });
}

bool WantedChannels::Has(Channel channel) const {
  switch (channel) {
    case Channel::kStdin:
      return stdin_open;
    case Channel::kStdout:
      return stdout_open;
    case Channel::kStderr:
      return stderr_open;
    case Channel::kError:
      return true;
    case Channel::kResize:
      return resize;
    case Channel::kData:
      return false;
  }
  return false;
}

WantedChannels WantedBy(const StreamRequest& request) {
  if (const auto* exec = std::get_if<runtime::v1::ExecRequest>(&request)) return Wanted(*exec);
  if (const auto* attach = std::get_if<runtime::v1::AttachRequest>(&request)) {
    return Wanted(*attach);
  }
  return {};
}

}  // namespace crisp::streaming
