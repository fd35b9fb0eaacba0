// SelinuxLevels: which pairs of MCS categories are taken.
//
// What:     a pod whose client names no level gets a pair of categories (s0:c4,c5) that no other
//           pod has, so that the policy keeps their processes and files apart.
// Contract: cri-contract 9.9, mcs(8): categories c0 to c1023, written in order.
// Threads:  any.
// Persistence: none; pods.db has each sandbox's level, and recovery holds them again.
// Errors:   kResourceExhausted when all 523776 pairs are taken.
#ifndef CRISP_POD_SELINUX_LEVELS_H_
#define CRISP_POD_SELINUX_LEVELS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/core/result.h"

namespace crisp::pod {

class SelinuxLevels;

// One use of a level, until its end. An empty one is none.
class SelinuxLevel {
 public:
  SelinuxLevel() = default;
  SelinuxLevel(SelinuxLevel&& other) noexcept = default;
  SelinuxLevel& operator=(SelinuxLevel&&) = delete;
  ~SelinuxLevel();

  const std::string& text() const { return text_; }  // as it was asked for

 private:
  friend class SelinuxLevels;
  struct Taken {
    std::mutex mutex;
    std::map<std::string, int> uses;  // by level, whose spelling does not matter
  };
  SelinuxLevel(std::shared_ptr<Taken> taken, std::string text)
      : taken_(std::move(taken)), text_(std::move(text)) {}
  std::shared_ptr<Taken> taken_;  // outlives SelinuxLevels
  std::string text_;
};

class SelinuxLevels {
 public:
  // `categories`: fewer than the policy's 1024 for tests.
  explicit SelinuxLevels(uint32_t categories = 1024) : pairs_(categories * (categories - 1) / 2) {}

  // A pair that nobody uses. `sensitivity`: what stands before it, such as "s0".
  Result<SelinuxLevel> Take(const std::string& sensitivity);
  // A level that a client or an earlier daemon chose; several pods may share it. "": none.
  SelinuxLevel Hold(const std::string& level);

 private:
  std::shared_ptr<SelinuxLevel::Taken> taken_ = std::make_shared<SelinuxLevel::Taken>();
  const uint32_t pairs_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_SELINUX_LEVELS_H_
