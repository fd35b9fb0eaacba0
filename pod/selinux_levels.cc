#include "pod/selinux_levels.h"

#include <sys/random.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <set>

namespace crisp::pod {
namespace {

constexpr uint32_t kCategories = 1024;  // of usual policies

// The n-th of the pairs (1,0), (2,0), (2,1), (3,0)...
std::string PairName(uint32_t n) {
  auto high = static_cast<uint32_t>((1 + std::sqrt(1 + 8.0 * n)) / 2);
  while (high * (high - 1) / 2 > n) --high;  // whatever the root's last bit is
  return Cat('c', n - high * (high - 1) / 2, ",c", high);
}

// "s0:c5,c4", "s0:c4.c5" and "s0:c4,c5,c4" name the same categories: s0:c4,c5, as PairName writes
// them. What is no such text is left as it is.
std::string OneSpelling(const std::string& level) {
  const size_t colon = level.find(':');
  if (colon == std::string::npos) return level;
  std::set<uint32_t> categories;
  const char* at = level.c_str() + colon;  // the symbol before the next category
  const char* const end = level.c_str() + level.size();
  uint32_t last = 0;
  while (at != end) {
    uint32_t number = 0;
    const bool range = *at == '.';
    if (++at == end || *at != 'c') return level;
    const auto [stop, error] = std::from_chars(at + 1, end, number);
    if (error != std::errc() || number >= kCategories) return level;
    if (stop != end && *stop != ',' && *stop != '.') return level;
    for (uint32_t i = range ? last : number; i <= number; ++i) categories.insert(i);
    last = number;
    at = stop;
  }
  std::string out = level.substr(0, colon);
  for (const uint32_t i : categories) out += Cat(out.size() == colon ? ":c" : ",c", i);
  return out;
}

}  // namespace

SelinuxLevel::~SelinuxLevel() {
  if (!taken_) return;
  std::lock_guard lock(taken_->mutex);
  const auto it = taken_->uses.find(OneSpelling(text_));
  if (it != taken_->uses.end() && --it->second == 0) taken_->uses.erase(it);
}

Result<SelinuxLevel> SelinuxLevels::Take(const std::string& sensitivity) {
  uint32_t start = 0;
  // At random: a file that an earlier pod left behind shall not be the next pod's.
  if (::getrandom(&start, sizeof(start), 0) != sizeof(start)) return Errno("getrandom");
  std::lock_guard lock(taken_->mutex);
  for (uint32_t i = 0; i < pairs_; ++i) {
    std::string level = Cat(sensitivity, ':', PairName((start % pairs_ + i) % pairs_));
    if (!taken_->uses.emplace(level, 1).second) continue;
    return SelinuxLevel(taken_, std::move(level));
  }
  return ResourceExhausted("selinux: all ", pairs_, " pairs of categories are taken by pods");
}

SelinuxLevel SelinuxLevels::Hold(const std::string& level) {
  if (level.empty()) return {};
  std::lock_guard lock(taken_->mutex);
  ++taken_->uses[OneSpelling(level)];
  return SelinuxLevel(taken_, level);
}

}  // namespace crisp::pod
