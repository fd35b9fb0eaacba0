#include "server/streaming/reactor.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "base/core/unique_fd.h"
#include "base/log.h"

namespace crisp::streaming {

namespace asio = boost::asio;

void Post(Io* io, std::function<void()> work) { asio::post(*io, std::move(work)); }

// --- Timer ---------------------------------------------------------------------------------------

struct Timer::State {
  explicit State(Io* io) : timer(*io) {}
  asio::steady_timer timer;
  uint64_t generation = 0;  // a handler that Asio had queued before a cancel finds another number
};

Timer::Timer(Io* io) : state_(std::make_shared<State>(io)) {}

Timer::~Timer() { Cancel(); }

void Timer::Start(Duration after, std::function<void()> callback) {
  const uint64_t generation = ++state_->generation;
  state_->timer.expires_after(after);
  state_->timer.async_wait([state = state_, generation, callback = std::move(callback)](
                               const boost::system::error_code& error) {
    if (error || state->generation != generation) return;
    callback();
  });
}

void Timer::Cancel() {
  ++state_->generation;
  boost::system::error_code ignored;
  state_->timer.cancel(ignored);
}

// --- SocketWatch
// -------------------------------------------------------------------------------------

struct SocketWatch::State {
  explicit State(Io* io) : descriptor(*io) {}
  asio::posix::stream_descriptor descriptor;
  bool alive = true;
  bool reading = false;
  bool writing = false;
  // An epoll set with the descriptor in it: Asio asks for no EPOLLRDHUP. Empty before AwaitError.
  std::optional<asio::posix::stream_descriptor> hang_up;
};

SocketWatch::SocketWatch(std::shared_ptr<State> state) : state_(std::move(state)) {}

SocketWatch::~SocketWatch() {
  state_->alive = false;
  state_->hang_up.reset();
  state_->descriptor.release();  // cancels; the descriptor stays open
}

Result<std::unique_ptr<SocketWatch>> SocketWatch::Create(Io* io, int fd) {
  auto state = std::make_shared<State>(io);
  boost::system::error_code error;
  state->descriptor.assign(fd, error);
  if (error) return ErrnoStatus(error.value(), "watch a descriptor");
  return std::unique_ptr<SocketWatch>(new SocketWatch(std::move(state)));
}

void SocketWatch::AwaitRead(std::function<void()> callback) {
  if (std::exchange(state_->reading, true)) return;
  state_->descriptor.async_wait(
      asio::posix::stream_descriptor::wait_read,
      [state = state_, callback = std::move(callback)](const boost::system::error_code&) {
        if (!state->alive) return;
        state->reading = false;
        callback();
      });
}

void SocketWatch::AwaitWrite(std::function<void()> callback) {
  if (std::exchange(state_->writing, true)) return;
  state_->descriptor.async_wait(
      asio::posix::stream_descriptor::wait_write,
      [state = state_, callback = std::move(callback)](const boost::system::error_code&) {
        if (!state->alive) return;
        state->writing = false;
        callback();
      });
}

void SocketWatch::AwaitError(std::function<void()> callback) {
  if (state_->hang_up) return;
  UniqueFd set(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLRDHUP;  // EPOLLERR and EPOLLHUP as well, unasked
  if (!set ||
      ::epoll_ctl(set.get(), EPOLL_CTL_ADD, state_->descriptor.native_handle(), &event) != 0) {
    return;
  }
  boost::system::error_code error;
  state_->hang_up.emplace(state_->descriptor.get_executor());
  state_->hang_up->assign(set.get(), error);
  if (error) return state_->hang_up.reset();
  (void)set.Release();
  state_->hang_up->async_wait(
      asio::posix::stream_descriptor::wait_read,
      [state = state_, callback = std::move(callback)](const boost::system::error_code&) {
        if (state->alive) callback();
      });
}

// --- IoThread ------------------------------------------------------------------------------------

struct IoThread::State {
  asio::io_context io{BOOST_ASIO_CONCURRENCY_HINT_1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work{io.get_executor()};
  std::mutex mutex;  // guards `done`
  std::condition_variable changed;
  bool done = false;
  std::thread thread;  // last: it uses the others

  void Run(const char* name) {
    ::pthread_setname_np(::pthread_self(), name);
    // Signals are the main thread's; and a peer that is gone must not raise SIGPIPE.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    for (;;) {
      try {
        io.run();
        break;
      } catch (const std::exception& e) {
        log::Error("a streaming connection failed; the others go on", {{"error", e.what()}});
      }
    }
    std::lock_guard lock(mutex);
    done = true;
    changed.notify_all();
  }
};

IoThread::IoThread(std::unique_ptr<State> state) : state_(std::move(state)) {}

IoThread::~IoThread() { Stop(MonoNow()); }

Result<std::unique_ptr<IoThread>> IoThread::Start(const char* name) {
  try {
    auto state = std::make_unique<State>();
    state->thread = std::thread([s = state.get(), name] { s->Run(name); });
    return std::unique_ptr<IoThread>(new IoThread(std::move(state)));
  } catch (const std::exception& e) {
    return Internal("start thread ", name, ": ", e.what());
  }
}

Io* IoThread::io() { return &state_->io; }

bool IoThread::OnThread() const { return state_->thread.get_id() == std::this_thread::get_id(); }

void IoThread::Stop(MonoTime deadline) {
  if (!state_->thread.joinable()) return;
  Post(&state_->io, [state = state_.get()] { state->work.reset(); });
  {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait_until(lock, deadline, [this] { return state_->done; });
  }
  state_->io.stop();
  state_->thread.join();
  // What could be run already is: sessions let go of what they hold. No other thread is left here.
  state_->io.restart();
  try {
    state_->io.poll();
  } catch (const std::exception& e) {
    log::Error("a streaming connection failed at the end", {{"error", e.what()}});
  }
}

}  // namespace crisp::streaming
