// Load: pods and containers as cri_bench makes them, with the time of each call.
//
// Threads: every method may be called from any thread; each thread should use its own pod.
// After a failure: RemoveAll removes every pod that this object made and still knows.
#ifndef CRISP_TESTS_BENCH_LOAD_H_
#define CRISP_TESTS_BENCH_LOAD_H_

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tests/bench/options.h"
#include "tests/bench/samples.h"
#include "tests/support/cri_client.h"

namespace crisp::bench {

namespace v1 = ::runtime::v1;

struct Pod {
  v1::PodSandboxConfig config;
  std::string id;
  std::string container;
};

class Load {
 public:
  explicit Load(const Options& options);
  ~Load() { RemoveAll(); }

  // RunPodSandbox, CreateContainer, StartContainer; `container` names what it runs.
  Result<Pod> BringUp(const std::vector<std::string>& command, const std::string& log_path = "",
                      const std::vector<v1::Mount>& mounts = {});
  // StopContainer(0), RemoveContainer, StopPodSandbox, RemovePodSandbox.
  Status TakeDown(const Pod& pod);
  void RemoveAll();

  // A call with its time added to the samples of its name.
  template <typename Request>
  auto Call(const std::string& name, const Request& request) {
    return Timed(&samples(name), [&] { return client_.Call(request, kLimit); });
  }
  Samples& samples(const std::string& name);
  test::CriClient& client() { return client_; }

 private:
  static constexpr Duration kLimit = std::chrono::minutes(5);

  const Options options_;
  const std::string run_;  // distinguishes the names of this run
  test::CriClient client_;
  std::mutex mutex_;  // guards what follows
  int made_ = 0;
  std::vector<std::string> standing_;
  std::map<std::string, Samples> samples_;
};

}  // namespace crisp::bench

#endif  // CRISP_TESTS_BENCH_LOAD_H_
