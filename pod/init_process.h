// The init process of a pod with a shared PID namespace: crisp-init, run by the OCI runtime in a
// root that holds nothing else, so that /proc/1/root shows nothing (DESIGN section 4).
//
// Its id in the OCI runtime is the sandbox's id; its PID namespace is pinned at paths().pid().
#ifndef CRISP_POD_INIT_PROCESS_H_
#define CRISP_POD_INIT_PROCESS_H_

#include "pod/environment.h"

namespace crisp::pod {

// Makes the root that all init processes share, below Options::state. Once, at start.
Status EnsureInitRoot(const Environment& env);

Status StartInitProcess(Environment& env, const SandboxPtr& sandbox);
// At recovery: watches the one that an earlier daemon started. What can fail is the machine's (no
// descriptors left): tried each second until it works, on the sandbox's strand, or until
// EnsureInitProcessGone had its turn. Nothing for a sandbox without one.
void AdoptInitProcess(Environment& env, const SandboxPtr& sandbox);
// Kills it with everything in its PID namespace; unpins; removes its cgroup. Idempotent.
Status EnsureInitProcessGone(Environment& env, const SandboxPtr& sandbox);

}  // namespace crisp::pod

#endif  // CRISP_POD_INIT_PROCESS_H_
