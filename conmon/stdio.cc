#include "conmon/stdio.h"

#include <malloc.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace crisp::conmon {
namespace {

constexpr int64_t kIdle_ms = 1000;
constexpr int64_t kDrainQuiet_ms = 100;
constexpr int64_t kDrainLimit_ms = 2000;
constexpr int64_t kFirstRest_ms = 100;
constexpr int64_t kLongestRest_ms = 1000;
constexpr size_t kTrickle_bytes = 2048;
constexpr size_t kTorrent_bytes = 48 << 10;
constexpr int64_t kTrickle_us = 500;
constexpr useconds_t kGather_us = 200;
// What a pipe can hold at most; beyond that FinishDrain is racing with a writer.
constexpr int kLastReads = (1 << 20) / static_cast<int>(Scratch::kReadSize);

bool HasInput(int fd) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, 0) > 0 && (wait.revents & POLLIN) != 0;
}

}  // namespace

Stdio::Stdio(const Options* options, Poller* poller, Clients* clients)
    : options_(options),
      poller_(poller),
      clients_(clients),
      scratch_(static_cast<size_t>(options->log_line_limit_bytes)),
      out_(MessageType::kAttachStdout, static_cast<size_t>(options->log_line_limit_bytes), this),
      err_(MessageType::kAttachStderr, static_cast<size_t>(options->log_line_limit_bytes), this),
      stdin_(poller, this) {}

// In a user namespace host root is nobody: without this, opening /dev/stdout again would be
// refused, and the runtime could not give the pipes to the container's user.
Status Stdio::GiveToContainer(const ChildStdio& child) const {
  if (options_->stdio_uid < 0) return OkStatus();
  for (const UniqueFd* fd : {&child.in, &child.out, &child.err}) {
    if (!fd->valid()) continue;
    if (::fchown(fd->get(), static_cast<uid_t>(options_->stdio_uid),
                 static_cast<gid_t>(options_->stdio_gid)) != 0) {
      return Errno("chown a pipe");
    }
  }
  return OkStatus();
}

Result<ChildStdio> Stdio::MakePipes(RuntimeCreate* runtime) {
  runtime_ = runtime;
  ChildStdio child;
  FdPair err = CRISP_TRY(MakePipe());
  child.err = std::move(err.second);
  err_.Take(std::move(err.first));
  if (options_->terminal) {
    child.out = CRISP_TRY(child.err.Duplicate());  // the runtime's words; the container has its pty
  } else {
    FdPair out = CRISP_TRY(MakePipe());
    child.out = std::move(out.second);
    out_.Take(std::move(out.first));
    if (options_->stdin_open) {
      FdPair in = CRISP_TRY(MakePipe());
      child.in = std::move(in.first);
      CRISP_RETURN_IF_ERROR(SetNonBlocking(in.second.get()));
      stdin_.Take(std::move(in.second));
    }
  }
  CRISP_RETURN_IF_ERROR(GiveToContainer(child));
  for (OutputStream* stream : {&out_, &err_}) CRISP_RETURN_IF_ERROR(Watch(stream));
  return child;
}

Status Stdio::Begin(UniqueFd terminal) {
  for (OutputStream* stream : {&out_, &err_}) {
    while (stream->open() && HasInput(stream->fd()) && runtime_->CollectDiagnosis(stream->fd())) {
    }
  }
  runtime_ = nullptr;
  phase_ = Phase::kRunning;
  if (!terminal) return OkStatus();
  Unwatch(&err_);
  err_.Take(UniqueFd());
  if (options_->stdin_open) stdin_.Take(CRISP_TRY(terminal.Duplicate()));
  out_.Take(std::move(terminal));
  return Watch(&out_);
}

Status Stdio::Watch(OutputStream* stream) {
  if (stream->watched || !stream->open()) return OkStatus();
  CRISP_RETURN_IF_ERROR(SetNonBlocking(stream->fd()));
  CRISP_RETURN_IF_ERROR(poller_->Add(stream->fd(), EPOLLIN, stream));
  stream->watched = true;
  return OkStatus();
}

void Stdio::Unwatch(OutputStream* stream) {
  if (std::exchange(stream->watched, false)) poller_->Remove(stream->fd(), stream);
}

void Stdio::EndStream(OutputStream* stream) {
  Unwatch(stream);
  stream->End(&scratch_, &log_);
}

void Stdio::Diagnose(OutputStream* stream) {
  if (!runtime_->CollectDiagnosis(stream->fd())) Unwatch(stream);
}

void Stdio::OnReadable(OutputStream* stream) {
  if (phase_ == Phase::kCreating) return Diagnose(stream);
  const int64_t now = NowMs();
  if (!clients_->ReadyForOutput(now)) return Pause();
  stream->idle_at_ms = now + kIdle_ms;
  quiet_end_ms_ = now + kDrainQuiet_ms;
  switch (stream->ReadOnce(&scratch_, &log_)) {
    case OutputStream::Outcome::kData:
      return Gather(stream);
    case OutputStream::Outcome::kEnd:
      return EndStream(stream);
    case OutputStream::Outcome::kDeserted:
      return phase_ == Phase::kRunning ? Rest(now) : EndStream(stream);
    case OutputStream::Outcome::kNothing:
      return;
  }
}

// While PID 1 lives, a terminal that no process holds open is not at its end: who opens it next
// goes on with it. The kernel has no event for that, and until then the master reports a hang-up
// all the time. So it is left alone and looked at again: soon at first, in the end once a second.
void Stdio::Rest(int64_t now_ms) {
  Unwatch(&out_);
  stdin_.Unwatch();
  rest_ms_ = std::clamp(2 * rest_ms_, kFirstRest_ms, kLongestRest_ms);
  rest_end_ms_ = now_ms + rest_ms_;
}

void Stdio::LookAgain(int64_t now_ms) {
  pollfd wait{out_.fd(), POLLIN, 0};
  const bool deserted = ::poll(&wait, 1, 0) > 0 && wait.revents == POLLHUP;
  if (deserted && phase_ == Phase::kRunning) return Rest(now_ms);
  rest_ms_ = 0;
  rest_end_ms_ = INT64_MAX;
  stdin_.Watch();
  if (!paused_ && !Watch(&out_).ok()) EndStream(&out_);
}

// The output learns it by itself, unless the terminal was opened again in between.
void Stdio::OnStdinDeserted() {
  if (phase_ != Phase::kRunning) return;
  rest_end_ms_ = std::min(rest_end_ms_, NowMs() + kFirstRest_ms);
}

// A container that writes each line by itself, and fast, would wake us for each: both would spend
// their time in the scheduler. While that is so, a moment's rest after each read lets lines come
// together; it ends when reads come rarely or nearly fill the pipe.
void Stdio::Gather(OutputStream* stream) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t now_us = static_cast<int64_t>(now.tv_sec) * 1000000 + now.tv_nsec / 1000;
  const bool often = now_us - last_read_us_ < kTrickle_us;
  last_read_us_ = now_us;
  const size_t size = stream->last_read_bytes();
  if (!often || size >= kTorrent_bytes) gathering_ = false;
  if (often && size < kTrickle_bytes) gathering_ = true;
  if (!gathering_) return;
  stream->Widen();
  ::usleep(kGather_us);
}

void Stdio::Pause() {
  paused_ = true;
  Unwatch(&out_);
  Unwatch(&err_);
}

void Stdio::ResumeIfReady(int64_t now_ms) {
  if (!clients_->ReadyForOutput(now_ms)) return;
  paused_ = false;
  quiet_end_ms_ = now_ms + kDrainQuiet_ms;
  for (OutputStream* stream : {&out_, &err_}) {
    if (!Watch(stream).ok()) EndStream(stream);
  }
}

// For streams that come with an unfinished line.
void Stdio::RestartIdle() {
  for (OutputStream* stream : {&out_, &err_}) stream->idle_at_ms = NowMs() + kIdle_ms;
}

// An unfinished line waits for its own stream only: the other one may never be quiet. The memory is
// for both.
int64_t Stdio::IdleMs() const {
  int64_t at = scratch_.held() ? std::max(out_.idle_at_ms, err_.idle_at_ms) : INT64_MAX;
  for (const OutputStream* stream : {&out_, &err_}) {
    if (!stream->unfinished_line().empty()) at = std::min(at, stream->idle_at_ms);
  }
  return at;
}

void Stdio::OnIdle(int64_t now_ms) {
  bool both = true;
  for (OutputStream* stream : {&out_, &err_}) {
    both = both && now_ms >= stream->idle_at_ms;
    if (now_ms < stream->idle_at_ms) continue;
    stream->OnIdle(&scratch_, &log_);
    // There was no memory to write it with.
    if (!stream->unfinished_line().empty()) stream->idle_at_ms = now_ms + kIdle_ms;
  }
  if (!both) return;
  scratch_.Release();
  ::malloc_trim(0);
}

int64_t Stdio::DeadlineMs() const {
  int64_t deadline = std::min(IdleMs(), rest_end_ms_);
  if (paused_) deadline = std::min(deadline, clients_->StallEndMs());
  if (phase_ == Phase::kDraining) {
    deadline = std::min(deadline, paused_ ? drain_end_ms_ : std::min(quiet_end_ms_, drain_end_ms_));
  }
  return deadline;
}

void Stdio::OnTimer(int64_t now_ms) {
  if (paused_) ResumeIfReady(now_ms);
  if (now_ms >= rest_end_ms_) LookAgain(now_ms);
  if (now_ms >= IdleMs()) OnIdle(now_ms);
}

void Stdio::BeginDrain() {
  const int64_t now = NowMs();
  phase_ = Phase::kDraining;
  quiet_end_ms_ = now + kDrainQuiet_ms;
  drain_end_ms_ = now + kDrainLimit_ms;
  if (rest_end_ms_ != INT64_MAX) LookAgain(now);
}

bool Stdio::drained() const {
  if (!out_.open() && !err_.open()) return true;
  const int64_t now = NowMs();
  return now >= drain_end_ms_ || (!paused_ && now >= quiet_end_ms_);
}

void Stdio::FinishDrain() {
  for (OutputStream* stream : {&out_, &err_}) {
    for (int i = 0; stream->open() && i < kLastReads; ++i) {
      if (stream->ReadOnce(&scratch_, &log_) != OutputStream::Outcome::kData) break;
    }
    EndStream(stream);
  }
  scratch_.Release();
}

Status Stdio::Resize(uint16_t columns, uint16_t rows) {
  if (!options_->terminal) return FailedPrecondition("resize: this container has no terminal");
  winsize size{};
  size.ws_col = columns;
  size.ws_row = rows;
  if (!out_.open()) return FailedPrecondition("resize: the container closed its terminal");
  if (::ioctl(out_.fd(), TIOCSWINSZ, &size) != 0) return Errno("resize terminal");
  return OkStatus();
}

void Stdio::WriteInput(std::string_view data) {
  stdin_.Write(data);
  if (stdin_.blocked()) clients_->PauseInput();
}

// A terminal has no end of input that could be sent: as in other runtimes it stays open, so that a
// client may detach and come back (streaming.md 6.6 speaks of pipes).
void Stdio::OnAttachInputEnd() {
  if (options_->stdin_once && !options_->terminal) stdin_.Close();
}

Status Stdio::CloseInput() {
  if (options_->terminal) return FailedPrecondition("a terminal's input cannot be closed");
  stdin_.Close();
  return OkStatus();
}

}  // namespace crisp::conmon
