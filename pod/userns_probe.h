// Whether this machine can run pods in user namespaces: tried, not looked up.
//
// What:     makes a user namespace and an overlay with a mapped layer below Options::root, as a
//           container would get it, and looks at the owner of a file in it. A few milliseconds, no
//           container.
// Contract: cri-contract section 4 (features), 6.2. The runtime's part is
//           RuntimeFeatures::user_namespaces.
// Threads:  UserNamespaces: any. A try runs on the lane.
#ifndef CRISP_POD_USERNS_PROBE_H_
#define CRISP_POD_USERNS_PROBE_H_

#include <functional>
#include <mutex>
#include <utility>

#include "base/core/result.h"
#include "base/lane.h"

namespace crisp::pod {

struct Environment;

// OK, or why not. Nothing is left behind.
Status ProbeUserNamespaces(const Environment& env);

// What is known about it. A try that had no disk, descriptors, memory or time says nothing about
// the machine.
class UserNamespaces {
 public:
  UserNamespaces(std::function<Status()> probe, Lane* lane)
      : probe_(std::move(probe)), lane_(lane) {}

  // Tries. At the start, before the first Check.
  void Probe();
  // What the last try said. If that was nothing about the machine, there will be another one.
  Status Check();

 private:
  const std::function<Status()> probe_;
  Lane* const lane_;
  std::mutex mutex_;  // guards what follows
  Status last_;
  bool queued_ = false;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_USERNS_PROBE_H_
