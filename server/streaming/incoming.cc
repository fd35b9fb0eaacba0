#include "server/streaming/incoming.h"

#include <utility>

namespace crisp::streaming {

void Incoming::Start() {
  link_->SetObserver(this);
  deadline_.Start(limits_.deadline, [self = shared_from_this()] {
    if (const auto end = std::exchange(self->callbacks_, {}).on_end) end("slow_request");
    self->link_->Abort();
  });
}

void Incoming::Abort() {
  callbacks_ = {};
  deadline_.Cancel();
  link_->Abort();
}

void Incoming::OnBytes(std::span<char> bytes) {
  const auto self = shared_from_this();
  const Result<bool> fed = parser_.Feed({bytes.data(), bytes.size()});
  if (!fed.ok()) {
    const bool large = fed.status().code() == Code::kResourceExhausted;
    return Refuse(
        {large ? 431 : 400, large ? "large_request" : "bad_request", fed.status().message(), {}});
  }
  if (!*fed) return;
  deadline_.Cancel();
  const auto on_request = std::exchange(callbacks_, {}).on_request;
  if (on_request) on_request(parser_.TakeRequest(), parser_.TakeSurplus());
}

void Incoming::OnEnd(const Status&) {
  const auto self = shared_from_this();
  deadline_.Cancel();
  if (const auto end = std::exchange(callbacks_, {}).on_end) end("");
}

void Incoming::Refuse(const Refusal& refusal) {
  deadline_.Cancel();
  Piece piece;
  piece.head = refusal.Response();
  link_->Write(std::move(piece));
  link_->Close();
  if (const auto end = std::exchange(callbacks_, {}).on_end) end(refusal.reason.c_str());
}

}  // namespace crisp::streaming
