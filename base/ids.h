// Typed ids: a sandbox, container or image is never passed as a bare string inside crisp.
//
// Contract: cri-contract section 2: 64 lower-case hex characters, random, unique over sandboxes and
//           containers together; image ids are "sha256:<64 hex>" (section 12.1).
// Threads:  values. MakeRandom is thread safe (getrandom(2)).
#ifndef CRISP_BASE_IDS_H_
#define CRISP_BASE_IDS_H_

#include <compare>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/core/result.h"

namespace crisp {

// 2 * n lower-case hex characters from the kernel's random source.
std::string RandomHex(size_t n_bytes);
bool IsLowerHex(std::string_view text);

template <typename Tag>
class Id {
 public:
  Id() = default;
  // For ids that are known to be well formed: from our own database or directories.
  explicit Id(std::string text) : text_(std::move(text)) {}
  static Id MakeRandom() { return Id(RandomHex(32)); }
  static bool IsWellFormed(std::string_view text) { return text.size() == 64 && IsLowerHex(text); }

  const std::string& str() const { return text_; }
  // The 13 characters that crictl prints: for log lines and messages.
  std::string short_str() const { return text_.substr(0, 13); }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const Id&) const = default;

 private:
  std::string text_;
};

using SandboxId = Id<struct SandboxTag>;
using ContainerId = Id<struct ContainerTag>;

}  // namespace crisp

template <typename Tag>
struct std::hash<crisp::Id<Tag>> {
  size_t operator()(const crisp::Id<Tag>& id) const noexcept {
    return std::hash<std::string>()(id.str());
  }
};

#endif  // CRISP_BASE_IDS_H_
