// Whether this machine can run pods in user namespaces: tried, not looked up.
//
// What:     makes a user namespace and an overlay with a mapped layer below Options::root, as a
//           container would get it, and looks at the owner of a file in it. A few milliseconds, no
//           container.
// Contract: cri-contract section 4 (features), 6.2. The runtime's part is
//           RuntimeFeatures::user_namespaces.
#ifndef CRISP_POD_USERNS_PROBE_H_
#define CRISP_POD_USERNS_PROBE_H_

#include "base/core/result.h"
#include "pod/environment.h"

namespace crisp::pod {

// OK, or why not. Nothing is left behind.
Status ProbeUserNamespaces(const Environment& env);

}  // namespace crisp::pod

#endif  // CRISP_POD_USERNS_PROBE_H_
