// RunPuller: one pull or import from the request to "done".
//
// Threads: called once, from main.
// Errors:  sent to the daemon as "error" and returned.
#ifndef CRISP_IMAGE_PULL_PULLER_H_
#define CRISP_IMAGE_PULL_PULLER_H_

#include "base/core/result.h"
#include "image/pull/daemon_link.h"

namespace crisp::image {

// `ready`: not ok when the process could not be prepared; that is the answer then.
Status RunPuller(DaemonLink& daemon, const Status& ready);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_PULLER_H_
