// The wire contract of crisp-init's namespace helper (conmon/namespace_helper.h), for both ends.
#ifndef CRISP_BASE_CORE_NAMESPACE_REPORT_H_
#define CRISP_BASE_CORE_NAMESPACE_REPORT_H_

#include <cstdint>

namespace crisp {

inline constexpr int kNamespaceControlFd = 3;
inline constexpr int kUserNamespaceFd = 4;

enum class NamespaceStage : int32_t { kArguments = 0, kJoin = 1, kBecomeRoot = 2, kUnshare = 3 };

struct NamespaceReport {
  int32_t stage;  // NamespaceStage at which it ended
  int32_t error;  // errno; 0: all is made
};

}  // namespace crisp

#endif  // CRISP_BASE_CORE_NAMESPACE_REPORT_H_
