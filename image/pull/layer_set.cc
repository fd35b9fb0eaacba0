#include "image/pull/layer_set.h"

#include <algorithm>
#include <set>

#include "base/core/dir_fd.h"
#include "image/pull/hasher.h"

namespace crisp::image {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(200);

}  // namespace

LayerSet::LayerSet(DaemonLink& daemon, const PullerRequest& request, std::string prefix,
                   std::vector<LayerTask> tasks)
    : daemon_(daemon), request_(request), prefix_(std::move(prefix)), flows_(tasks.size()) {
  for (size_t i = 0; i < tasks.size(); ++i) {
    Layer layer;
    layer.task = std::move(tasks[i]);
    layer.task.directory = Cat(request_.tmp_dir, '/', prefix_, i);
    layer.task.max_bytes = request_.max_layer_bytes;
    layer.task.stop = &stop_;
    layer.task.flow = &flows_[i];
    layer.task.parents = [this, i] { return WaitForParents(i); };
    layers_.push_back(std::move(layer));
  }
}

LayerSet::~LayerSet() { daemon_.SetAnswerHandler(nullptr); }

std::string LayerSet::NameOf(size_t index) const {
  return Cat("layer ", index + 1, " of ", layers_.size(), " (",
             layers_[index].task.diff_id.hex().substr(0, 12), ")");
}

Result<Json> LayerSet::Plan() const {
  Json diff_ids = Json::array();
  Json chain_ids = Json::array();
  Json sizes = Json::array();
  std::string chain;
  for (const Layer& layer : layers_) {
    const std::string diff = layer.task.name_in_store().ToString();
    // image-spec config.md, "Layer ChainID".
    chain = chain.empty() ? diff : CRISP_TRY(DigestOf(Cat(chain, ' ', diff))).ToString();
    diff_ids.push_back(diff);
    chain_ids.push_back(chain);
    sizes.push_back(layer.task.blob_bytes);
  }
  return Json{{"type", "plan"}, {"diff_ids", diff_ids}, {"chain_ids", chain_ids}, {"sizes", sizes}};
}

Status LayerSet::Run() {
  const Json plan = CRISP_TRY(Plan());
  daemon_.SetAnswerHandler([this](const LayerAnswer& answer) { OnAnswer(answer); });
  CRISP_RETURN_IF_ERROR(daemon_.Send(plan));
  std::unique_lock lock(mutex_);
  const auto at_end = [&] {
    return !failure_.ok() || std::all_of(layers_.begin(), layers_.end(), [](const Layer& layer) {
      return layer.state == State::kPresent;
    });
  };
  while (!changed_.wait_for(lock, kProgressInterval, at_end)) {
    lock.unlock();
    Status sent = SendProgress();
    lock.lock();
    if (!sent.ok()) FailLocked(std::move(sent));
  }
  std::vector<std::thread> threads = std::move(threads_);
  threads_.clear();
  lock.unlock();
  daemon_.SetAnswerHandler(nullptr);  // starts no further thread
  for (std::thread& thread : threads) thread.join();
  lock.lock();
  threads = std::move(threads_);  // started between the two
  lock.unlock();
  for (std::thread& thread : threads) thread.join();
  if (failure_.ok()) failure_ = SendProgress();
  // Only now: a layer that was stopped may have been faster with its report than the cause.
  return failure_;
}

Status LayerSet::SendProgress() {
  int64_t received = 0;
  int64_t held_us = 0;
  for (const LayerFlow& flow : flows_) {
    received += flow.received_bytes;
    held_us += flow.held_us;
  }
  if (received == std::exchange(reported_bytes_, received)) return OkStatus();
  return daemon_.Send({{"type", "progress"}, {"received", received}, {"held_us", held_us}});
}

void LayerSet::OnAnswer(const LayerAnswer& answer) {
  std::lock_guard lock(mutex_);
  if (answer.layer >= layers_.size()) {
    return FailLocked(Internal("the daemon speaks of layer ", answer.layer));
  }
  Layer& layer = layers_[answer.layer];
  if (answer.have) {
    layer.state = State::kPresent;
    layer.key = answer.key;
    layer.opaque_root = answer.opaque_root;
  } else if (layer.state == State::kWaiting) {
    layer.state = State::kFetchable;
  }
  StartWhatFitsLocked();
  changed_.notify_all();
}

void LayerSet::StartWhatFitsLocked() {
  if (!failure_.ok()) return;
  const auto limit = std::max(1, request_.parallel_layers);
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i].state != State::kFetchable) continue;
    int running = 0;
    for (size_t j = 0; j < layers_.size(); ++j) {
      const bool waits_for_us = layers_[j].blocked && j > i;
      if (layers_[j].state == State::kRunning && !waits_for_us) ++running;
    }
    if (running >= limit) return;
    layers_[i].state = State::kRunning;
    threads_.emplace_back([this, i] { RunLayer(i); });
  }
}

void LayerSet::RunLayer(size_t index) {
  Status status = FetchAndReport(index);
  std::lock_guard lock(mutex_);
  if (status.ok()) {
    // The answer to the report may have come already.
    if (layers_[index].state == State::kRunning) layers_[index].state = State::kReported;
    StartWhatFitsLocked();
  } else {
    FailLocked(std::move(status).Wrap(NameOf(index)));
  }
  changed_.notify_all();
}

// Wrong content of a mirror, or in pieces, costs a second transfer, not the pull.
Result<LayerSummary> LayerSet::UnpackFromSomeSource(const LayerTask& task) {
  std::string earlier;
  for (;;) {
    Result<LayerSummary> summary = UnpackLayer(task);
    if (summary.ok()) return summary;
    const Code code = summary.status().code();
    // The blob of a forged layer is the one that the manifest names: every source has it so.
    const bool content =
        (code == Code::kDataLoss || code == Code::kInvalidArgument) && !IsForged(summary.status());
    if (!content || stop_.IsSet() || !task.exclude_source || !task.exclude_source()) {
      return Status(code, summary.status().message() + earlier, summary.status().sys_errno());
    }
    earlier += Cat("; before: ", summary.status().message());
    CRISP_RETURN_IF_ERROR(RemoveTreeAt(task.directory));
  }
}

Status LayerSet::FetchAndReport(size_t index) {
  const LayerSummary summary = CRISP_TRY(UnpackFromSomeSource(layers_[index].task));
  LayerReport report;
  report.layer = index;
  report.dir = Cat(prefix_, index);
  report.size_bytes = summary.size_bytes;
  report.inodes = summary.inodes;
  report.tied = summary.tied;
  report.opaque_root = summary.opaque_root;
  report.received_bytes = summary.received_bytes;
  return daemon_.Send(ToJson(report));
}

Result<OverlayOptions> LayerSet::WaitForParents(size_t index) {
  CRISP_RETURN_IF_ERROR(daemon_.Send({{"type", "tied"}, {"layer", index}}));
  std::unique_lock lock(mutex_);
  layers_[index].blocked = true;
  StartWhatFitsLocked();
  changed_.wait(lock, [&] {
    return !failure_.ok() ||
           std::all_of(layers_.begin(), layers_.begin() + static_cast<std::ptrdiff_t>(index),
                       [](const Layer& layer) { return layer.state == State::kPresent; });
  });
  layers_[index].blocked = false;
  if (!failure_.ok()) return Cancelled("another layer failed");
  OverlayOptions out;
  out.lower_root = request_.layers_dir;
  std::set<std::string> seen;
  for (size_t i = index; i-- > 0;) {
    if (seen.insert(layers_[i].key).second) out.lower.push_back(layers_[i].key);
    if (layers_[i].opaque_root) break;
  }
  return out;
}

void LayerSet::FailLocked(Status status) {
  stop_.Set();
  // Those that were stopped are not the cause.
  if (failure_.ok() || failure_.code() == Code::kCancelled) failure_ = std::move(status);
  changed_.notify_all();
}

}  // namespace crisp::image
