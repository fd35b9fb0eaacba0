#include "tests/support/patience.h"

#include <poll.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace crisp::test {
namespace {

constexpr double kLargestFactor = 1000;

double ReadFactor() {
  const char* text = std::getenv("CRISP_TEST_TIME_FACTOR");  // NOLINT(concurrency-mt-unsafe)
  if (text == nullptr || *text == '\0') return 1;
  char* end = nullptr;
  const double factor = std::strtod(text, &end);
  if (*end == '\0' && factor >= 1 && factor <= kLargestFactor) return factor;
  std::fprintf(stderr, "CRISP_TEST_TIME_FACTOR: '%s' is not a number from 1 to %g\n", text,
               kLargestFactor);
  std::exit(2);  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace

double TimeFactor() {
  static const double factor = ReadFactor();
  return factor;
}

Duration Patient(Duration limit) {
  return std::chrono::duration_cast<Duration>(limit * TimeFactor());
}

int64_t PatientSeconds(int64_t limit_s) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(limit_s) * TimeFactor()));
}

bool Eventually(const std::function<bool()>& done, Duration limit) {
  const MonoTime deadline = MonoNow() + Patient(limit);
  while (!done()) {
    if (MonoNow() > deadline) return false;
    ::poll(nullptr, 0, 10);
  }
  return true;
}

}  // namespace crisp::test
