// DaemonSample: what a running crispd holds, at one moment.
//
// What:    memory, descriptors, threads, children and zombies, read from /proc. Print gives one
//          row of a table; Header its head.
// Threads: values.
#ifndef CRISP_TESTS_LOAD_DAEMON_SAMPLE_H_
#define CRISP_TESTS_LOAD_DAEMON_SAMPLE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/core/result.h"

namespace crisp::test {

struct DaemonSample {
  int64_t pss_kib = 0;
  int64_t rss_kib = 0;
  int descriptors = 0;
  int threads = 0;
  int children = 0;  // zombies included
  int zombies = 0;

  static Result<DaemonSample> Take(pid_t daemon);
  static std::string Header();
  std::string Row() const;
};

}  // namespace crisp::test

#endif  // CRISP_TESTS_LOAD_DAEMON_SAMPLE_H_
