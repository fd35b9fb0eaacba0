#include "conmon/output_stream.h"

#include <unistd.h>

#include <cstring>

#include "base/core/clock.h"

namespace crisp::conmon {
namespace {
constexpr useconds_t kNoMemory_us = 5000;
}

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
  if (n <= 0) return Outcome::kEnd;  // EIO: the last process closed the terminal
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

void OutputStream::End(Scratch* scratch, LogFile* log) {
  fd_.Reset();
  if (carry_.empty() || !scratch->Acquire()) return;
  LogBatch batch(scratch->output(), scratch->output_size(), log);
  formatter_.Finish(carry_, WallNowNs(), &batch);
  batch.Flush();
  std::string().swap(carry_);
}

void OutputStream::OnIdle() { carry_.shrink_to_fit(); }

}  // namespace crisp::conmon
