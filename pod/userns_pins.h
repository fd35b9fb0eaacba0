// Making user namespaces, and namespaces that belong to one.
//
// What:     crisp-init in a helper mode (conmon/namespace_helper.h) makes the namespaces in a
//           process without threads, this side writes the maps and pins them on files; then the
//           helper ends.
// Contract: user_namespaces(7), base/core/namespace_report.h.
// Threads:  any. Each call takes the time of one small program, a few milliseconds.
// After a failure nothing is mounted and no file that was made is left.
#ifndef CRISP_POD_USERNS_PINS_H_
#define CRISP_POD_USERNS_PINS_H_

#include <functional>
#include <string>
#include <vector>

#include "base/core/reaper.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/netns_handle.h"
#include "oci/spec_builder.h"

namespace crisp::pod {

struct NamespaceMaker {
  std::string init_binary;
  Reaper* reaper = nullptr;
};

// A new user namespace held by descriptor only.
Result<UniqueFd> MakeUserNamespace(const NamespaceMaker& maker, const oci::IdMapping& uids,
                                   const oci::IdMapping& gids);
// A new user namespace pinned on `path`.
Status PinUserNamespace(const NamespaceMaker& maker, const oci::IdMapping& uids,
                        const oci::IdMapping& gids, const std::string& path);
// New network, IPC and UTS namespaces that the user namespace pinned on `user_namespace` owns, as
// PinNamespaces (base/netns_handle.h); `prepare` runs as host root.
Status PinOwnedNamespaces(const NamespaceMaker& maker, const std::string& user_namespace,
                          const std::vector<NamespacePin>& pins,
                          const std::function<Status()>& prepare);

}  // namespace crisp::pod

#endif  // CRISP_POD_USERNS_PINS_H_
