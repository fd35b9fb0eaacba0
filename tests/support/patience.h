// Patience: limits of tests on machines slower than the one they were written on.
//
// What:     CRISP_TEST_TIME_FACTOR (environment; a number from 1 to 1000, 1 unless told) says how
//           many times slower this machine may be: an emulated one, a sanitized build, a loaded CI
//           runner. It stretches what a test waits at most and what it allows an answer to take;
//           never what crisp itself promises (a grace period, an exec's timeout), so that a test
//           proves the same everywhere. ctest's own limits follow it too (patience.cmake).
// Threads:  any.
// Errors:   a value that is no such number ends the program: limits must not be a surprise.
#ifndef CRISP_TESTS_SUPPORT_PATIENCE_H_
#define CRISP_TESTS_SUPPORT_PATIENCE_H_

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/core/clock.h"

namespace crisp::test {

double TimeFactor();

// `limit` on a machine of usual speed, stretched for this one.
Duration Patient(Duration limit);
// The same in whole seconds, as the CRI's requests have them.
int64_t PatientSeconds(int64_t limit_s);

// Polls `done` each 10 ms until it is true or Patient(limit) has passed; what it was last.
bool Eventually(const std::function<bool()>& done, Duration limit = std::chrono::seconds(10));

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_PATIENCE_H_
