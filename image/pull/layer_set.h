// LayerSet: brings all layers of one image into the store, several at a time.
//
//   waiting ──answer "fetch"──> fetchable ──slot free──> running ──verified──> reported
//      │                                                                          │
//      └──────────────────────────answer "have"──────────────> present <─"have"───┘
//
// What:    layers start from the bottom, at most `parallel_layers` at a time. A layer that turns
//          out to be tied waits inside its thread until everything below is present; meanwhile
//          layers below it may use its slot, so that it never waits for what cannot start.
// Threads: Run is called once; answers come from the link's thread.
// Errors:  the first layer that fails, with its number and diff id; all others are stopped and
//          their threads have ended when Run returns.
#ifndef CRISP_IMAGE_PULL_LAYER_SET_H_
#define CRISP_IMAGE_PULL_LAYER_SET_H_

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/core/result.h"
#include "image/pull/daemon_link.h"
#include "image/pull/layer_unpack.h"

namespace crisp::image {

class LayerSet {
 public:
  // `tasks`: bottom first, with producer, digests and size; the rest is filled in here. `prefix`
  // makes directory names unique among several images.
  LayerSet(DaemonLink& daemon, const PullerRequest& request, std::string prefix,
           std::vector<LayerTask> tasks);
  ~LayerSet();

  Status Run();

 private:
  enum class State { kWaiting, kFetchable, kRunning, kReported, kPresent };
  struct Layer {
    LayerTask task;
    State state = State::kWaiting;
    bool blocked = false;  // running, but waits for its parents
    std::string key;
    bool opaque_root = false;
  };

  Result<Json> Plan() const;
  Status SendProgress();
  void OnAnswer(const LayerAnswer& answer);
  void StartWhatFitsLocked();
  void RunLayer(size_t index);
  Result<LayerSummary> UnpackFromSomeSource(const LayerTask& task);
  Status FetchAndReport(size_t index);
  Result<OverlayOptions> WaitForParents(size_t index);
  void FailLocked(Status status);
  std::string NameOf(size_t index) const;

  DaemonLink& daemon_;
  const PullerRequest& request_;
  const std::string prefix_;
  StopFlag stop_;
  std::deque<LayerFlow> flows_;  // of each layer
  int64_t reported_bytes_ = 0;

  std::mutex mutex_;  // guards what follows; not held while sending or unpacking
  std::condition_variable changed_;
  std::vector<Layer> layers_;
  std::vector<std::thread> threads_;
  Status failure_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_LAYER_SET_H_
