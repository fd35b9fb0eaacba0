#include "network/cni_version.h"

#include <algorithm>
#include <array>

namespace crisp::network {
namespace {

constexpr std::array<std::string_view, 5> kSupported = {"0.3.0", "0.3.1", "0.4.0", "1.0.0",
                                                        "1.1.0"};  // oldest first

ptrdiff_t Rank(std::string_view version) {
  const auto it = std::find(kSupported.begin(), kSupported.end(), version);
  return it == kSupported.end() ? -1 : it - kSupported.begin();
}

}  // namespace

bool IsSupportedVersion(std::string_view version) { return Rank(version) >= 0; }

bool IsAtLeast(std::string_view version, std::string_view minimum) {
  return Rank(version) >= Rank(minimum);
}

Result<std::string> ChooseVersion(const std::vector<std::string>& offered) {
  std::string best;
  std::string seen;
  for (const std::string& version : offered) {
    if (IsSupportedVersion(version) && (best.empty() || IsAtLeast(version, best))) best = version;
    seen += Cat(seen.empty() ? "" : ", ", version);
  }
  if (!best.empty()) return best;
  constexpr std::string_view kAllowed = "0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0";
  if (seen.empty()) return InvalidArgument("cniVersion is missing: write one of ", kAllowed);
  return InvalidArgument("cniVersion ", seen, " is not supported: write one of ", kAllowed);
}

}  // namespace crisp::network
