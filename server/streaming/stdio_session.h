// StdioSession: what exec and attach have in common. It owns itself and its channels.
//
//   kOpening --opened--> kRunning --Conclude--> kConcluding --sent--> gone: Close
//       └───────── the client leaves (in any state) ─────────────> gone: Detach
//
// What:     the end of a session in its order (streaming.md section 6.5): output is flushed and
//           finished, the status document, Finish, Close; then `ended`. The input of the client
//           goes through a bounded queue from the first byte on.
// Threads:  that of the io_context.
#ifndef CRISP_SERVER_STREAMING_STDIO_SESSION_H_
#define CRISP_SERVER_STREAMING_STDIO_SESSION_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/streaming/resize_parser.h"
#include "server/streaming/session_input.h"
#include "server/streaming/sessions.h"

namespace crisp::streaming {

class StdioSession : public Channels::Observer,
                     public InputSink,
                     public std::enable_shared_from_this<StdioSession> {
 public:
  StdioSession(const SessionContext& context, std::unique_ptr<Channels> channels,
               std::function<void()> ended);
  virtual ~StdioSession() = default;

  void Start();

  size_t OnData(Channel channel, std::string_view data) final;
  void OnInputEnd(Channel channel) final;
  void OnClosed(const Status& why) final;

 protected:
  struct Wanted {
    bool stdin_open = false;
    bool stdout_open = false;
    bool stderr_open = false;
    bool terminal = false;
  };

  // Called once, with the channels started.
  virtual void Open() = 0;
  virtual void OnResize(pod::TerminalSize size) = 0;
  // Lets go of everything that is on the other side; nothing of it calls any more afterwards.
  virtual void Detach() = 0;

  // No more output on this channel; the first call counts.
  void FinishOutput(Channel channel);
  // Finishes the outputs, writes the document and ends. The session is gone when the client has it.
  void Conclude(std::string document);
  // True until Conclude or the end.
  bool active() const { return channels_ != nullptr && !concluding_; }
  template <typename Session>
  std::weak_ptr<Session> Weak() {
    return std::static_pointer_cast<Session>(shared_from_this());
  }

  const SessionContext context_;
  Wanted wanted_;  // by the request
  std::unique_ptr<Channels> channels_;
  std::shared_ptr<InputQueue> input_;

 private:
  void End(bool good);

  std::function<void()> ended_;
  std::shared_ptr<StdioSession> self_;  // until the end
  ResizeParser resize_;
  bool concluding_ = false;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_STDIO_SESSION_H_
