// Strand: jobs of one object, one after the other, on a lane.
//
// What:    the operation lock of a pod, without a thread that waits for it: jobs queue up on the
//          strand and the lane runs the head.
// Threads: Submit from anywhere. Jobs see what earlier jobs of the strand wrote.
// Errors:  Submit returns the lane's refusal (full, stopping); then the job will not run.
#ifndef CRISP_BASE_STRAND_H_
#define CRISP_BASE_STRAND_H_

#include <deque>
#include <memory>
#include <mutex>

#include "base/lane.h"

namespace crisp {

class Strand : public std::enable_shared_from_this<Strand> {
 public:
  explicit Strand(Lane* lane) : lane_(lane) {}

  Status Submit(Lane::Job job);

 private:
  void RunAll();

  Lane* const lane_;
  std::mutex mutex_;  // guards what follows; never held while a job runs
  std::deque<Lane::Job> queue_;
  bool running_ = false;
};

}  // namespace crisp

#endif  // CRISP_BASE_STRAND_H_
