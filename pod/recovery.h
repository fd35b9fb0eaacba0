// Recovery: from the rows of pods.db to running objects, at the start of the daemon.
//
//   row                same boot                                  other boot (the node restarted)
//   CREATING           undone: gone, or listed if undo fails      the same
//   sandbox READY      READY if its namespaces are pinned         NotReady
//   container CREATED  adopted (RUNNING if it was started)        EXITED, 255, Unknown
//   container RUNNING  adopted: exits meanwhile are known         EXITED, 255, Unknown
//   EXITED, STOPPED    as it was                                  as it was
//   a sandbox's pins   removed, unless something without a row    removed
//   without a row      may run in it
//
// Which boot the state directory is of: its file boot_id says it, written at the end of recovery.
// Without that file (it is on a tmpfs, or of an earlier version) pods.db says which boot was the
// last.
//
// Contract: cri-contract section 2 "Persistence", DESIGN section 4 "State".
// Threads:  before anything else uses the room.
#ifndef CRISP_POD_RECOVERY_H_
#define CRISP_POD_RECOVERY_H_

#include "pod/container_lifecycle.h"
#include "pod/environment.h"
#include "pod/leases.h"

namespace crisp::pod {

// Fails only when the database cannot be read or written; what concerns one object is logged and
// leaves that object listed.
Status Recover(Environment* env, ContainerLifecycle* lifecycle, Leases* leases);

}  // namespace crisp::pod

#endif  // CRISP_POD_RECOVERY_H_
