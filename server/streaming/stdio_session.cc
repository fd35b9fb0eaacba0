#include "server/streaming/stdio_session.h"

#include <utility>

#include "base/log.h"

namespace crisp::streaming {

StdioSession::StdioSession(const SessionContext& context, std::unique_ptr<Channels> channels,
                           std::function<void()> ended)
    : context_(context),
      channels_(std::move(channels)),
      input_(std::make_shared<InputQueue>(channels_.get())),
      ended_(std::move(ended)) {}

void StdioSession::Start() {
  self_ = shared_from_this();
  if (!wanted_.stdin_open) input_->Discard();
  channels_->Start(this);
  Open();
}

size_t StdioSession::OnData(Channel channel, std::string_view data) {
  if (!active()) return data.size();
  if (channel == Channel::kStdin) return input_->Add(data);
  if (channel == Channel::kResize && wanted_.terminal) {
    if (const auto size = resize_.Feed(data)) OnResize(*size);
  }
  return data.size();
}

void StdioSession::OnInputEnd(Channel channel) {
  if (active() && channel == Channel::kStdin) input_->End();
}

void StdioSession::OnClosed(const Status& why) {
  if (channels_ == nullptr) return;
  log::Debug("streaming client left", {{"why", why}});
  End(/*good=*/false);
}

void StdioSession::FinishOutput(Channel channel) {
  bool& wanted = channel == Channel::kStdout ? wanted_.stdout_open : wanted_.stderr_open;
  if (channels_ != nullptr && std::exchange(wanted, false)) channels_->Finish(channel);
}

void StdioSession::Conclude(std::string document) {
  if (!active()) return;
  concluding_ = true;
  const auto keep = self_;
  Detach();
  FinishOutput(Channel::kStdout);
  FinishOutput(Channel::kStderr);
  if (document.empty()) return End(/*good=*/true);
  auto text = std::make_shared<const std::string>(std::move(document));
  channels_->Send(Channel::kError, *text, [weak = weak_from_this(), text](const Status& sent) {
    const auto self = weak.lock();
    if (self && self->channels_ != nullptr) self->End(sent.ok());
  });
}

void StdioSession::End(bool good) {
  const auto self = std::exchange(self_, nullptr);  // lives to the end of this function
  if (!concluding_) Detach();
  input_->Stop();
  if (good) {
    channels_->Finish(Channel::kError);
    channels_->Close();
  }
  channels_.reset();
  if (const auto ended = std::exchange(ended_, nullptr)) ended();
}

}  // namespace crisp::streaming
