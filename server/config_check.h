// Whether a configuration works on this machine: more than its text can say.
//
// What:     looks for what crispd does not start without, runs every runtime handler's program,
//           reads base specs, seccomp profiles, CDI specs and OCI hooks, looks for the additional
//           devices. Changes nothing.
// Threads:  a free function; runs programs (at most 10 seconds each).
#ifndef CRISP_SERVER_CONFIG_CHECK_H_
#define CRISP_SERVER_CONFIG_CHECK_H_

#include <string>
#include <vector>

#include "server/config/config.h"

namespace crisp {

struct CheckedPart {
  // kLeftOut: crispd runs without it and nobody has named it: a runtime that was merely found, a
  // file of CDI specs.
  enum class Verdict { kGood, kLeftOut, kBad };
  Verdict verdict = Verdict::kGood;
  std::string text;  // "runtime crun: crun 1.8.1, /usr/bin/crun"
};

std::vector<CheckedPart> CheckConfig(const config::Config& config);

}  // namespace crisp

#endif  // CRISP_SERVER_CONFIG_CHECK_H_
