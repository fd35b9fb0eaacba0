// InputQueue: what a client sends, on its way to where it is written.
//
//   before Open: kept           open: written at once, the rest kept until writable
//   End: after what is kept was written, the sink is told; a sink that fails gets no more, and what
//   the client still sends is dropped.
//
// Memory:   its limit; beyond that the client's input is paused, and not taken.
// Threads:  that of the io_context. Use it through a shared_ptr; after Stop() nothing is called.
#ifndef CRISP_SERVER_STREAMING_SESSION_INPUT_H_
#define CRISP_SERVER_STREAMING_SESSION_INPUT_H_

#include <memory>
#include <string>
#include <string_view>

#include "server/streaming/channels.h"
#include "server/streaming/reactor.h"

namespace crisp::streaming {

// Where input goes. Nothing here blocks.
class InputSink {
 public:
  // How much was taken; 0: when it is writable again. An error: it takes nothing any more.
  virtual Result<size_t> WriteInput(std::string_view data) = 0;
  // False: once more when it is writable. Not called after an error.
  virtual bool EndInput() = 0;

 protected:
  ~InputSink() = default;
};

// write(2) in InputSink's words; the process ignores SIGPIPE.
Result<size_t> WriteSome(int fd, std::string_view data);

class InputQueue final : public std::enable_shared_from_this<InputQueue> {
 public:
  static constexpr size_t kLimit_bytes = 256u << 10;

  explicit InputQueue(Channels* channels, size_t limit_bytes = kLimit_bytes)
      : channels_(channels), limit_bytes_(limit_bytes) {}

  // `sink` and `watch`, that of the sink's descriptor, outlive this object or its Stop().
  void Open(InputSink* sink, SocketWatch* watch);
  // How much was taken: what is dropped, too.
  size_t Add(std::string_view data);
  void End();
  // Whatever comes is dropped from now on.
  void Discard();
  void Stop();
  // Nothing is to be written any more.
  bool done() const { return end_told_ || discarding_; }

 private:
  size_t kept() const { return queue_.size() - written_; }
  void Write();
  void WaitWritable();

  Channels* channels_;
  const size_t limit_bytes_;
  InputSink* sink_ = nullptr;
  SocketWatch* watch_ = nullptr;
  std::string queue_;
  size_t written_ = 0;  // of queue_
  bool waiting_ = false;
  bool paused_ = false;
  bool ended_ = false;
  bool end_told_ = false;
  bool discarding_ = false;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_SESSION_INPUT_H_
