#include "conmon/output_stream.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/core/clock.h"

namespace crisp::conmon {
namespace {
constexpr useconds_t kNoMemory_us = 5000;
// pipe(7): the default, and what /proc/sys/fs/pipe-max-size allows by default. Its pages exist only
// while something is in them.
constexpr int kUsualPipe_bytes = 64 << 10;
constexpr int kWidePipe_bytes = 1 << 20;
}  // namespace

OutputStream::Outcome OutputStream::ReadOnce(Scratch* scratch, LogFile* log) {
  if (!fd_) return Outcome::kEnd;
  if (!scratch->Acquire()) {
    ::usleep(kNoMemory_us);  // the caller comes back at once
    return Outcome::kNothing;
  }
  char* const input = scratch->input();
  const size_t kept = carry_.size();
  const ssize_t n = ::read(fd_.get(), input + kept, Scratch::kReadSize);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Outcome::kNothing;
  if (n < 0 && errno == EIO) return Outcome::kDeserted;
  if (n <= 0) return Outcome::kEnd;
  const std::string_view fresh(input + kept, static_cast<size_t>(n));
  last_read_bytes_ = fresh.size();
  owner_->OnData(type_, fresh);
  std::memcpy(input, carry_.data(), kept);
  const std::string_view data(input, kept + fresh.size());
  LogBatch batch(scratch->output(), scratch->output_size(), log);
  const size_t used = formatter_.Format(data, WallNowNs(), &batch);
  batch.Flush();
  carry_.assign(data.substr(used));
  return Outcome::kData;
}

void OutputStream::LogUnfinished(Scratch* scratch, LogFile* log) {
  if (carry_.empty() || !scratch->Acquire()) return;
  LogBatch batch(scratch->output(), scratch->output_size(), log);
  formatter_.Finish(carry_, WallNowNs(), &batch);
  batch.Flush();
  std::string().swap(carry_);
}

void OutputStream::End(Scratch* scratch, LogFile* log) {
  fd_.Reset();
  LogUnfinished(scratch, log);
}

void OutputStream::Widen() {
  if (std::exchange(wide_, true) || !fd_) return;
  // Not for a pty; and a limit of the machine on pipes is no harm.
  (void)::fcntl(fd_.get(), F_SETPIPE_SZ, kWidePipe_bytes);
}

void OutputStream::OnIdle(Scratch* scratch, LogFile* log) {
  LogUnfinished(scratch, log);
  if (std::exchange(wide_, false) && fd_) {
    (void)::fcntl(fd_.get(), F_SETPIPE_SZ, kUsualPipe_bytes);
  }
}

}  // namespace crisp::conmon
