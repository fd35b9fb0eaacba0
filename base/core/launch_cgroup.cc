#include "base/core/launch_cgroup.h"

#include <pthread.h>
#include <unistd.h>

#include <iterator>
#include <optional>
#include <system_error>

#include "base/core/file.h"

namespace crisp {

Result<std::unique_ptr<LaunchCgroup>> LaunchCgroup::Open(std::vector<UniqueFd> dirs, bool v2,
                                                         Duration stuck_after) {
  std::unique_ptr<LaunchCgroup> out(new LaunchCgroup(std::move(dirs), v2, stuck_after));
  if (!v2) {
    std::unique_lock lock(out->mutex_);
    CRISP_RETURN_IF_ERROR(out->StartWorker(&lock));
  }
  return out;
}

LaunchCgroup::~LaunchCgroup() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (Worker& worker : workers_) worker.thread.join();
}

Status LaunchCgroup::Enter() const {
  for (const UniqueFd& dir : dirs_) {
    // 0 is the thread that writes.
    CRISP_RETURN_IF_ERROR(WriteControlFile(dir.get(), "tasks", "0"));
  }
  return OkStatus();
}

Status LaunchCgroup::StartWorker(std::unique_lock<std::mutex>* lock) {
  const auto worker = workers_.emplace(workers_.end());
  try {
    worker->thread = std::thread([this, self = &*worker] { Work(self); });
  } catch (const std::system_error& error) {
    workers_.erase(worker);
    return ResourceExhausted("start thread: ", error.what());
  }
  changed_.wait(*lock, [&worker] { return worker->entered.has_value(); });
  if (worker->entered->ok()) return OkStatus();
  Status failure = std::move(*worker->entered);
  worker->thread.join();  // `entered` is its last word
  workers_.erase(worker);
  return std::move(failure).Wrap("enter the cgroup with a thread");
}

void LaunchCgroup::Work(Worker* self) {
  ::pthread_setname_np(::pthread_self(), "launch");
  Status entered = Enter();
  const bool inside = entered.ok();
  if (inside) thread_id_ = ::gettid();
  std::unique_lock lock(mutex_);
  self->entered = std::move(entered);
  changed_.notify_all();
  if (!inside) return;
  for (;;) {
    changed_.wait(lock,
                  [this, self] { return ending_ || !jobs_.empty() || self != &workers_.back(); });
    if (jobs_.empty() || self != &workers_.back()) break;
    Job* const job = jobs_.front();
    jobs_.pop_front();
    self->busy_since = MonoNow();
    lock.unlock();
    job->work();
    lock.lock();
    self->busy_since.reset();
    job->done = true;
    changed_.notify_all();
  }
  self->left = true;
}

void LaunchCgroup::ReplaceIfStuck(std::unique_lock<std::mutex>* lock) {
  constexpr size_t kMaxWorkers = 16;
  for (auto it = workers_.begin(); it != workers_.end();) {
    if (it->left) it->thread.join();  // its last act under the mutex: this does not wait
    it = it->left ? workers_.erase(it) : std::next(it);
  }
  // None: a stuck one came back and left while its replacement failed to enter the group.
  const bool stuck = workers_.empty() || (workers_.back().busy_since &&
                                          MonoNow() - *workers_.back().busy_since >= stuck_after_);
  if (!stuck || jobs_.empty() || workers_.size() >= kMaxWorkers) return;
  (void)StartWorker(lock);  // without it those who wait try again
}

void LaunchCgroup::RunOnThread(const std::function<void()>& work) {
  Job job{work};
  std::unique_lock lock(mutex_);
  jobs_.push_back(&job);
  changed_.notify_all();
  while (!changed_.wait_for(lock, stuck_after_, [&job] { return job.done; })) {
    ReplaceIfStuck(&lock);
  }
}

void LaunchCgroup::WarmUpMoves() {
  if (!threaded_ || warming_.exchange(true)) return;
  // By number and to where it is already: 0 would be taken without the lock.
  const std::string self = Cat(thread_id_.load());
  (void)WriteControlFile(dirs_.front().get(), "tasks", self);
  // The lock goes back to rest after a grace period; a move meanwhile, which is quick, adds another
  // (kernel/rcu/sync.c).
  (void)WriteControlFile(dirs_.front().get(), "tasks", self);
  warming_ = false;
}

Result<ChildProcess> LaunchCgroup::Spawn(const SpawnOptions& options) {
  SpawnOptions here = options;
  here.place = nullptr;
  if (!threaded_) {
    here.cgroup_dir = dirs_.front().get();
    return ChildProcess::Spawn(here);
  }
  std::optional<Result<ChildProcess>> result;
  RunOnThread([&] { result.emplace(ChildProcess::Spawn(here)); });
  return *std::move(result);
}

}  // namespace crisp
