// PullSession: one crisp-pull process from its start to its end, seen from the daemon.
//
// What:    waits for its turn (transfer_slots.h), starts the process with a directory of its own
//          below layers/tmp, answers its questions about layers, puts verified layers into the
//          store, and collects the images that it reports. Nothing is published here.
// Threads: Run blocks its caller; one call per object.
// Errors:  crisp-pull's own; kCancelled/kDeadlineExceeded from the token; kInternal when the
//          process dies (with the end of what it wrote to its standard error, which goes nowhere
//          else) or breaks the protocol, kResourceExhausted when it needed too much memory.
// After the object's end the process is dead and its directory gone; layers stay only if somebody
// else holds them (the caller's NewImages do).
#ifndef CRISP_IMAGE_PULL_SESSION_H_
#define CRISP_IMAGE_PULL_SESSION_H_

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/core/cancel.h"
#include "base/core/child_process.h"
#include "base/core/result.h"
#include "image/image_store.h"
#include "image/layer_reservations.h"
#include "image/pull_pace.h"
#include "image/puller_protocol.h"
#include "image/transfer_slots.h"

namespace crisp::image {

struct PullSessionOptions {
  std::string pull_binary;
  std::vector<int> cgroup_dirs;
  Reaper* reaper = nullptr;
  int parallel_layers = 3;
  std::function<void(const PullProgress&)> progress;  // without reference and start; may be empty
};

class PullSession {
 public:
  PullSession(ImageStore& store, LayerReservations& reservations, TransferSlots& slots,
              PullSessionOptions options);
  ~PullSession();

  // `request` without its directories. `names` of the result are still empty.
  Result<std::vector<NewImage>> Run(PullerRequest request, const CancelToken& cancel);
  // Compares layers with their records, images with their ids. `judge` hears of each as soon as it
  // has been looked at; its failure ends the check.
  using Judge = std::function<Status(CheckedLayer)>;
  Status Check(PullerRequest what, Judge judge, const CancelToken& cancel);

 private:
  // The image whose layers are being fetched.
  struct Plan {
    std::vector<std::string> diff_ids;
    std::vector<std::string> chain_ids;
    std::vector<int64_t> sizes;    // compressed; -1: not known
    std::vector<LayerPtr> layers;  // nullptr: not there yet
    std::set<size_t> wanted;       // ours to fetch, as soon as slots allow
    std::set<size_t> granted;      // being fetched; at most held_slots_
  };

  Status AwaitTurn(const CancelToken& cancel);
  Status Start(const PullerRequest& request);
  Status Serve(const CancelToken& cancel);
  Status HandleMessage(const Json& message);
  Status HandlePlan(const Json& message);
  Status HandleTied(const Json& message);
  Status HandleLayer(const Json& message);
  Status HandleImage(const Json& message);
  Status DeliverLetters();
  Status AnswerHave(size_t index, LayerPtr layer);
  Status GrantFetches();
  void GiveSlotsBack();
  void JudgePace();
  void YieldWanted();
  LayerPtr FindLayer(size_t index) const;
  PullPace::Seen Seen() const { return {progress_.bytes_received, held_}; }
  void ReportProgress();
  Status SendAnswer(const LayerAnswer& answer);
  Status DescribeDeath();
  // The end of what it wrote to its standard error, in one line; once, when it has ended.
  std::string LastWords();
  Result<std::string> OwnDirectory(const std::string& name) const;

  ImageStore& store_;
  LayerReservations& reservations_;
  TransferSlots& slots_;
  const PullSessionOptions options_;
  const std::string directory_;
  MailboxPtr mailbox_;
  ChildProcess child_;
  std::optional<FrameSocket> socket_;
  UniqueFd errors_;  // its standard error: a bounded pipe, not ours
  size_t held_slots_ = 1;
  std::optional<PullPace> pace_;  // of what waits for a network
  bool slow_ = false;
  Plan plan_;
  std::vector<NewImage> images_;
  Judge judge_;
  PullProgress progress_;
  Duration held_{};  // that received bytes waited in crisp-pull
  bool done_ = false;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_SESSION_H_
