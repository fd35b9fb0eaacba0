// MisbehavingProgram: a program of the machine (an OCI runtime, a CNI plugin) or of crisp's own
// that a test can make fail.
//
// What:     installs programs/misbehave.cc under `path`, in front of `real`; Arm says which call
//           fails and how. "missing" is a fault as well: then the path does not exist.
// Contract: the grammar of faults stands in programs/misbehave.cc.
// Threads:  one; the program itself may be run by any number of processes.
#ifndef CRISP_TESTS_FAULT_MISBEHAVING_PROGRAM_H_
#define CRISP_TESTS_FAULT_MISBEHAVING_PROGRAM_H_

#include <string>

#include "base/core/result.h"

namespace crisp::test {

class MisbehavingProgram {
 public:
  MisbehavingProgram() = default;  // not installed
  // The directory of `path` is made. Without a fault the program does what `real` does.
  static Result<MisbehavingProgram> Install(const std::string& path, const std::string& real);

  const std::string& path() const { return path_; }
  // The first call with `word` from now on (or, with "*" as `call`, each) does `fault`
  // ("exit 1 no", "stuck", ..., or "missing"). Replaces what was armed before.
  Status Arm(const std::string& word, const std::string& fault, const std::string& call = "1");
  Status Disarm();
  // Calls with `word` since the last Arm or Disarm.
  int Calls(const std::string& word) const;

 private:
  explicit MisbehavingProgram(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace crisp::test

#endif  // CRISP_TESTS_FAULT_MISBEHAVING_PROGRAM_H_
