// Timer, SocketWatch, Post: what this room wants of Asio, without Asio's headers.
//
// Why:      a source with Asio's templates takes many seconds to compile; one does (reactor.cc).
// Threads:  the io_context's one thread; Post from any.
// Promise:  after Cancel, or the end of the object, its callback is not called. A callback may
//           destroy the object that calls it.
#ifndef CRISP_SERVER_STREAMING_REACTOR_H_
#define CRISP_SERVER_STREAMING_REACTOR_H_

#include <functional>
#include <memory>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace boost::asio {
class io_context;
}

namespace crisp::streaming {

using Io = boost::asio::io_context;

// Runs `work` soon, in order, never from within Post.
void Post(Io* io, std::function<void()> work);

class Timer {
 public:
  explicit Timer(Io* io);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();

  // Replaces what was started before.
  void Start(Duration after, std::function<void()> callback);
  void Cancel();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Waits for a descriptor that somebody else owns, and that outlives the watch.
class SocketWatch {
 public:
  static Result<std::unique_ptr<SocketWatch>> Create(Io* io, int fd);
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;
  ~SocketWatch();

  // Calls once, when the descriptor is readable (writable), has ended or failed. One wait each at a
  // time; asking again while one is under way does nothing.
  void AwaitRead(std::function<void()> callback);
  void AwaitWrite(std::function<void()> callback);
  // Calls once, when the peer has ended its direction or the connection is broken, whatever is
  // still to be read before that. It takes a second descriptor, which the watch keeps; without one,
  // there is no call.
  void AwaitError(std::function<void()> callback);

 private:
  struct State;
  explicit SocketWatch(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// One io_context and the loop of its thread.
class IoThread {
 public:
  static Result<std::unique_ptr<IoThread>> Start(const char* name);
  // As Stop with a deadline in the past.
  ~IoThread();

  Io* io();
  // Lets what is under way come to its end until `deadline`, then cuts it off. What was not run
  // stays in the io_context until this object's end.
  void Stop(MonoTime deadline);
  // True on the thread itself.
  bool OnThread() const;

 private:
  struct State;
  explicit IoThread(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_REACTOR_H_
