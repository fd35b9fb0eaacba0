// Load: many pods at once, many lives one after the other, many deaths of the daemon.
//
// ctest runs a small sample; tests/load/run gives the sizes of a node:
//   CRISP_LOAD_PODS, CRISP_LOAD_AT_ONCE   pods that are up together; started this many at once
//   CRISP_LOAD_LIVES                      pods that live and go
//   CRISP_LOAD_EXECS                      commands in one container, streamed and not
//   CRISP_LOAD_KILLS, CRISP_LOAD_EVERY_MS SIGKILLs of crispd beside lives; time between two
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "tests/load/daemon_sample.h"
#include "tests/support/pod_test.h"
#include "tests/support/stream_client.h"

namespace crisp::test {
namespace {

int SizeOf(const char* variable, int sample) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? sample : std::atoi(text);
}

void Sleep(Duration time) {
  ::poll(nullptr, 0,
         static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()));
}

double Ms(Duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

Duration Percentile(std::vector<Duration> times, double part) {
  if (times.empty()) return {};
  std::sort(times.begin(), times.end());
  return times[static_cast<size_t>(part * static_cast<double>(times.size() - 1))];
}

void PrintTimes(const char* what, const std::vector<Duration>& times) {
  std::printf("%-28s %6zu calls  p50 %8.2f  p95 %8.2f  max %8.2f ms\n", what, times.size(),
              Ms(Percentile(times, 0.5)), Ms(Percentile(times, 0.95)), Ms(Percentile(times, 1)));
}

constexpr char kBridge[] = "crispl0";

class LoadTest : public PodTest {
 protected:
  std::string Runtime() const override {
    const char* runtime = std::getenv("CRISP_LOAD_RUNTIME");  // NOLINT(concurrency-mt-unsafe)
    return runtime == nullptr ? "crun" : runtime;
  }

  // A second network with room for thousands of pods, on a bridge of its own; its first pod makes
  // what stays, and then the count is taken anew.
  void WidenNetwork() {
    const std::string narrow = daemon().cni_config_dir() + "/10-test.conflist";
    std::string text = Must(ReadFile(narrow));
    for (const auto& [from, to] : {std::pair("crispt0", kBridge), std::pair("crisp-test", "wide"),
                                   std::pair("10.88.77.0/24", "10.99.0.0/16")}) {
      const size_t at = text.find(from);
      ASSERT_NE(at, std::string::npos) << from;
      text.replace(at, std::string_view(from).size(), to);
    }
    ASSERT_THAT(WriteFile(narrow, text), IsOk());
    KillAndRestart();
    Live("warm-up");
    before_ = Census::Take(daemon());
  }

  void TearDown() override {
    if (before_.has_value() && daemon().running()) {
      RemoveAllPods();
      RunOptions run;
      run.argv = {FindProgram("ip"), "link", "delete", kBridge};
      EXPECT_TRUE(Must(crisp::Run(run)).status.success());
    }
    PodTest::TearDown();
  }

  // One pod with one container; empty after a failure.
  std::string Bring(const std::string& name, const v1::PodSandboxConfig& sandbox) {
    const auto pod = TryRunPod(sandbox);
    EXPECT_THAT(pod, IsOk()) << name;
    if (!pod.ok()) return "";
    const auto id = TryCreate(*pod, ContainerConfig("c", {"sleep", "86400"}), sandbox);
    EXPECT_THAT(id, IsOk()) << name;
    if (id.ok()) {
      EXPECT_THAT(TryStart(*id), IsOk()) << name;
    }
    return *pod;
  }
  void Live(const std::string& name) {
    const std::string pod = Bring(name, SandboxConfig(name));
    if (pod.empty()) return;
    EXPECT_THAT(TryStopPod(pod), IsOk());
    EXPECT_THAT(TryRemovePod(pod), IsOk());
  }

  std::optional<Census> before_;
};

// Runs `work(i)` for 0 <= i < `count` on `threads` threads.
void InParallel(int threads, int count, const std::function<void(int)>& work) {
  std::atomic<int> next = 0;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      for (int i; (i = next++) < count;) work(i);
    });
  }
  for (std::thread& thread : all) thread.join();
}

// The kubelet's relist, each second, while something else goes on.
class Relist {
 public:
  explicit Relist(CriClient* client) : thread_([this, client] { Run(client); }) {}
  ~Relist() { Stop(); }
  void Stop() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
  }
  const std::vector<Duration>& pods() const { return pods_; }
  const std::vector<Duration>& containers() const { return containers_; }

 private:
  void Run(CriClient* client) {
    while (!done_) {
      const MonoTime begin = MonoNow();
      EXPECT_THAT(client->Call(v1::ListPodSandboxRequest()), IsOk());
      const MonoTime between = MonoNow();
      EXPECT_THAT(client->Call(v1::ListContainersRequest()), IsOk());
      pods_.push_back(between - begin);
      containers_.push_back(MonoNow() - between);
      for (int i = 0; i < 10 && !done_; ++i) Sleep(std::chrono::milliseconds(100));
    }
  }
  std::atomic<bool> done_ = false;
  std::vector<Duration> pods_;
  std::vector<Duration> containers_;
  std::thread thread_;  // last: it uses the others
};

TEST_P(LoadTest, PodsAtOnce) {
  const int pods = SizeOf("CRISP_LOAD_PODS", 20);
  const int at_once = std::min(SizeOf("CRISP_LOAD_AT_ONCE", 10), pods);
  WidenNetwork();
  ASSERT_FALSE(HasFailure());
  std::printf("%d pods, %d at once\n       %s\n", pods, at_once, DaemonSample::Header().c_str());
  std::printf("idle   %s\n", Must(DaemonSample::Take(daemon().pid())).Row().c_str());
  CriClient lister(daemon().socket());
  EXPECT_TRUE(lister.AwaitConnection(Patient(std::chrono::seconds(5))));
  std::mutex mutex;
  std::vector<Duration> starts;
  const MonoTime begin = MonoNow();
  Relist relist(&lister);
  InParallel(at_once, pods, [&](int i) {
    const std::string name = Cat("pod-", i);
    const MonoTime start = MonoNow();
    Bring(name, SandboxConfig(name));
    const std::lock_guard lock(mutex);
    starts.push_back(MonoNow() - start);
  });
  const Duration up = MonoNow() - begin;
  std::printf("up     %s\n", Must(DaemonSample::Take(daemon().pid())).Row().c_str());
  EXPECT_EQ(Must(client().Call(v1::ListPodSandboxRequest())).items_size(), pods);
  Sleep(std::chrono::seconds(3));  // some lists with nothing beside them
  relist.Stop();
  const MonoTime down_begin = MonoNow();
  const auto list = Must(client().Call(v1::ListPodSandboxRequest()));
  InParallel(at_once, list.items_size(), [&](int i) {
    EXPECT_THAT(TryStopPod(list.items(i).id()), IsOk());
    EXPECT_THAT(TryRemovePod(list.items(i).id()), IsOk());
  });
  std::printf("down   %s\n", Must(DaemonSample::Take(daemon().pid())).Row().c_str());
  std::printf("all up after %.1f s, all down after %.1f s\n", Ms(up) / 1000,
              Ms(MonoNow() - down_begin) / 1000);
  PrintTimes("pod (run, create, start)", starts);
  PrintTimes("ListPodSandbox", relist.pods());
  PrintTimes("ListContainers", relist.containers());
  // The kubelet gives a list two minutes; what matters is that none waits for the pods' work.
  EXPECT_LT(Ms(Percentile(relist.containers(), 1)), Ms(Patient(std::chrono::seconds(1))));
  EXPECT_EQ(AwaitCensus(daemon(), *before_), "");
}

// The worst sample after the first third against the worst of the first third: nothing may grow.
void ExpectFlat(const std::vector<DaemonSample>& samples) {
  const size_t third = samples.size() / 3;
  const auto worst = [&](size_t begin, size_t end, auto member) {
    int64_t most = 0;
    for (size_t i = begin; i < end; ++i) most = std::max<int64_t>(most, samples[i].*member);
    return most;
  };
  const auto expect = [&](const char* what, auto member, double factor, int64_t more) {
    const int64_t first = worst(0, std::max<size_t>(third, 1), member);
    const int64_t later = worst(third, samples.size(), member);
    EXPECT_LE(static_cast<double>(later), static_cast<double>(first) * factor + double(more))
        << what << " grows";
  };
  expect("memory", &DaemonSample::pss_kib, 1.1, 2048);
  expect("the number of descriptors", &DaemonSample::descriptors, 1, 16);
  expect("the number of threads", &DaemonSample::threads, 1, 8);
  for (const DaemonSample& sample : samples) EXPECT_LE(sample.zombies, 4);
}

// Does `work` `count` times, kAtOnce at a time, with samples of the daemon between, which must be
// flat; prints them.
void RepeatSampled(const char* what, int count, TestDaemon* daemon,
                   const std::function<void(int)>& work) {
  constexpr int kAtOnce = 4;
  constexpr int kSamples = 12;
  std::vector<DaemonSample> samples;
  std::printf("%d %s, %d at once\n%7s %s\n", count, what, kAtOnce, what,
              DaemonSample::Header().c_str());
  const MonoTime begin = MonoNow();
  for (int done = 0; done < count && !testing::Test::HasFailure();) {
    const int next = std::max(1, std::min(count / kSamples, count - done));
    InParallel(kAtOnce, next, [&](int i) { work(done + i); });
    done += next;
    samples.push_back(Must(DaemonSample::Take(daemon->pid())));
    std::printf("%7d %s\n", done, samples.back().Row().c_str());
    std::fflush(stdout);
  }
  const double seconds = Ms(MonoNow() - begin) / 1000;
  std::printf("%.1f s, %.1f %s a second\n", seconds, count / seconds, what);
  ExpectFlat(samples);
}

TEST_P(LoadTest, Lives) {
  WidenNetwork();
  ASSERT_FALSE(HasFailure());
  RepeatSampled("lives", SizeOf("CRISP_LOAD_LIVES", 60), &daemon(),
                [&](int i) { Live(Cat("life-", i)); });
  EXPECT_EQ(AwaitCensus(daemon(), *before_), "");
}

// By turns streamed, streamed with a client that goes away at once, and ExecSync.
TEST_P(LoadTest, Execs) {
  const auto sandbox = SandboxConfig("execs");
  const std::string id = StartContainer(RunPod(sandbox), ContainerConfig("c", {"top"}), sandbox);
  RepeatSampled("execs", SizeOf("CRISP_LOAD_EXECS", 120), &daemon(), [&](int i) {
    const std::string script = Cat("echo ", i, "; exit ", i % 100);
    if (i % 3 == 2) {
      v1::ExecSyncRequest sync;
      sync.set_container_id(id);
      for (const char* word : {"sh", "-c", script.c_str()}) sync.add_cmd(word);
      sync.set_timeout(60);
      const auto done = client().Call(sync);
      ASSERT_THAT(done, IsOk());
      EXPECT_EQ(done->exit_code(), i % 100);
      return;
    }
    v1::ExecRequest request;
    request.set_container_id(id);
    for (const char* word : {"sh", "-c", script.c_str()}) request.add_cmd(word);
    request.set_stdout(true);
    request.set_stderr(true);
    const auto url = client().Call(request);
    ASSERT_THAT(url, IsOk());
    StdioClient exec(url->url(), {});
    ASSERT_TRUE(exec.ok());
    if (i % 3 == 1) return exec.connection().Cut();
    EXPECT_TRUE(exec.AwaitEnd());
    EXPECT_EQ(exec.exit_code(), i % 100) << exec.status();
    EXPECT_EQ(exec.out(), Cat(i, "\n"));
  });
  const std::string records = daemon().Path(Cat("run/containers/", id, "/execs"));
  EXPECT_TRUE(Eventually([&] { return Must(Must(DirFd::Open(records)).List()).empty(); }));
}

// Clients that do as a kubelet: what they do not know the outcome of they list, stop and remove.
class KillLoadTest : public LoadTest {
 protected:
  void LiveThroughKills(int worker, CriClient* client) {
    for (int n = 0; !done_; ++n) {
      const auto sandbox = SandboxConfig(Cat("pod-", worker, "-", n % 5));
      if (!LiveOnce(sandbox, client)) RemoveNamed(sandbox.metadata().name(), client);
    }
  }
  bool LiveOnce(const v1::PodSandboxConfig& sandbox, CriClient* client) {
    v1::RunPodSandboxRequest run;
    *run.mutable_config() = sandbox;
    const auto pod = client->Call(run);
    if (!pod.ok()) return Missed(pod.status());
    v1::CreateContainerRequest create;
    create.set_pod_sandbox_id(pod->pod_sandbox_id());
    *create.mutable_config() = ContainerConfig("c", {"sleep", "86400"});
    *create.mutable_sandbox_config() = sandbox;
    const auto container = client->Call(create);
    if (!container.ok()) return Missed(container.status());
    v1::StartContainerRequest start;
    start.set_container_id(container->container_id());
    if (auto status = client->Call(start).status(); !status.ok()) return Missed(status);
    if (!Remove(pod->pod_sandbox_id(), client)) return false;
    ++lives_;
    return true;
  }
  bool Remove(const std::string& pod, CriClient* client) {
    v1::StopPodSandboxRequest stop;
    stop.set_pod_sandbox_id(pod);
    if (auto status = client->Call(stop).status(); !status.ok()) return Missed(status);
    v1::RemovePodSandboxRequest remove;
    remove.set_pod_sandbox_id(pod);
    if (auto status = client->Call(remove).status(); !status.ok()) return Missed(status);
    return true;
  }
  void RemoveNamed(const std::string& name, CriClient* client) {
    client->AwaitConnection(std::chrono::seconds(2));
    const auto pods = client->Call(v1::ListPodSandboxRequest());
    if (!pods.ok()) return;
    for (const auto& pod : pods->items()) {
      if (pod.metadata().name() == name) (void)Remove(pod.id(), client);
    }
  }
  // A call that a kill cut off is what this is about, and a name that its pod still has; any other
  // failure is one.
  bool Missed(const Status& status) {
    const std::lock_guard lock(mutex_);
    const Code code = status.code();
    if (code == Code::kUnavailable || code == Code::kCancelled || code == Code::kAlreadyExists) {
      ++missed_;
    } else {
      other_.push_back(status.ToString());
    }
    return false;
  }

  std::atomic<bool> done_ = false;
  std::atomic<int> lives_ = 0;
  std::mutex mutex_;
  int missed_ = 0;
  std::vector<std::string> other_;
};

TEST_P(KillLoadTest, KillsBesideLives) {
  const int kills = SizeOf("CRISP_LOAD_KILLS", 5);
  const auto every = std::chrono::milliseconds(SizeOf("CRISP_LOAD_EVERY_MS", 1500));
  constexpr int kWorkers = 4;
  WidenNetwork();
  ASSERT_FALSE(HasFailure());
  std::vector<std::thread> workers;
  std::vector<std::unique_ptr<CriClient>> clients;
  for (int i = 0; i < kWorkers; ++i) {
    clients.push_back(std::make_unique<CriClient>(daemon().socket()));
    workers.emplace_back([this, i, client = clients[i].get()] { LiveThroughKills(i, client); });
  }
  std::vector<Duration> recoveries;
  std::vector<DaemonSample> samples;
  std::printf("%d kills, one each %lld ms\n  kills %s\n", kills,
              static_cast<long long>(every.count()), DaemonSample::Header().c_str());
  for (int i = 1; i <= kills; ++i) {
    Sleep(every);
    const auto sample = DaemonSample::Take(daemon().pid());
    daemon().Kill();
    const MonoTime begin = MonoNow();
    const Status started = daemon().Start();
    EXPECT_THAT(started, IsOk());
    if (!started.ok()) break;
    recoveries.push_back(MonoNow() - begin);
    if (sample.ok() && i % std::max(1, kills / 12) == 0) {
      std::printf("%7d %s\n", i, sample->Row().c_str());
      std::fflush(stdout);
    }
  }
  done_ = true;
  for (std::thread& worker : workers) worker.join();
  std::printf("%d lives, %d calls cut off\n", lives_.load(), missed_);
  PrintTimes("start until Version answers", recoveries);
  EXPECT_GT(lives_, 0);
  EXPECT_THAT(other_, testing::IsEmpty());
  RemoveAllPods();
  EXPECT_EQ(AwaitCensus(daemon(), *before_), "");
}

INSTANTIATE_TEST_SUITE_P(Load, LoadTest, testing::Values("load"), RuntimeName);
INSTANTIATE_TEST_SUITE_P(Load, KillLoadTest, testing::Values("load"), RuntimeName);

}  // namespace
}  // namespace crisp::test
