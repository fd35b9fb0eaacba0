#include "base/core/launch_cgroup.h"

#include <pthread.h>
#include <unistd.h>

#include <future>
#include <optional>
#include <system_error>

#include "base/core/file.h"

namespace crisp {

Result<std::unique_ptr<LaunchCgroup>> LaunchCgroup::Open(std::vector<UniqueFd> dirs, bool v2) {
  std::unique_ptr<LaunchCgroup> out(new LaunchCgroup(std::move(dirs)));
  if (!v2) CRISP_RETURN_IF_ERROR(out->StartThread());
  return out;
}

LaunchCgroup::~LaunchCgroup() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status LaunchCgroup::Enter() const {
  for (const UniqueFd& dir : dirs_) {
    // 0 is the thread that writes.
    CRISP_RETURN_IF_ERROR(WriteControlFile(dir.get(), "tasks", "0"));
  }
  return OkStatus();
}

Status LaunchCgroup::StartThread() {
  std::promise<Status> entered;
  std::future<Status> answer = entered.get_future();
  try {
    thread_ = std::thread([this, &entered] {
      ::pthread_setname_np(::pthread_self(), "launch");
      thread_id_ = ::gettid();
      Status status = Enter();
      const bool inside = status.ok();
      entered.set_value(std::move(status));
      if (inside) Work();
    });
  } catch (const std::system_error& error) {
    return ResourceExhausted("start thread: ", error.what());
  }
  return answer.get().Wrap("enter the cgroup with a thread");
}

void LaunchCgroup::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

void LaunchCgroup::RunOnThread(std::function<void()> job) {
  std::promise<void> done;
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back([&] {
      job();
      done.set_value();
    });
  }
  changed_.notify_one();
  done.get_future().wait();
}

void LaunchCgroup::WarmUpMoves() {
  if (!thread_.joinable() || warming_.exchange(true)) return;
  // By number and to where it is already: 0 would be taken without the lock.
  (void)WriteControlFile(dirs_.front().get(), "tasks", Cat(thread_id_));
  warming_ = false;
}

Result<ChildProcess> LaunchCgroup::Spawn(const SpawnOptions& options) {
  SpawnOptions here = options;
  here.place = nullptr;
  if (!thread_.joinable()) {
    here.cgroup_dir = dirs_.front().get();
    return ChildProcess::Spawn(here);
  }
  std::optional<Result<ChildProcess>> result;
  RunOnThread([&] { result.emplace(ChildProcess::Spawn(here)); });
  return *std::move(result);
}

}  // namespace crisp
