// FaultTest: PodTest with short timeouts, programs that misbehave, and a second pod.
//
// What:    after SetUp the daemon runs with 2 s for each run of a runtime or plugin and 3 s from
//          SIGKILL to the exit, through MisbehavingPrograms that do as the real ones until they
//          are armed. Everything is timed against what a client may wait.
// Threads: one; LiveBeside may run on another.
#ifndef CRISP_TESTS_FAULT_FAULT_FIXTURE_H_
#define CRISP_TESTS_FAULT_FAULT_FIXTURE_H_

#include <functional>
#include <string>
#include <vector>

#include "tests/fault/misbehaving_program.h"
#include "tests/support/pod_test.h"

namespace crisp::test {

class FaultTest : public PodTest {
 protected:
  void SetUp() override;
  // crun is the quicker one; CRISP_FAULT_RUNTIME=runc runs the tests with the other.
  std::string Runtime() const override;

  MisbehavingProgram& runtime() { return runtime_; }
  MisbehavingProgram& plugin() { return plugin_; }
  MisbehavingProgram& monitor() { return monitor_; }

  // Adds a failure when `call` takes longer than Patient(kClientLimit). A call with that limit of
  // its own: use `limit()`.
  Status Timed(const std::function<Status()>& call);
  static Duration limit() { return Patient(kClientLimit); }

  // Removes everything, demands the census of before, and lives once.
  void CleanUpAndLive();

 private:
  MisbehavingProgram runtime_;
  MisbehavingProgram plugin_;
  MisbehavingProgram monitor_;
};

// With a container that writes a line ten times a second.
class WriterFaultTest : public FaultTest {
 protected:
  void StartWriter();

  v1::PodSandboxConfig sandbox_;
  std::string pod_;
  std::string id_;
};

// Whether CRISP_FAULT_ALL is set: everything, not the sample that fits into CI's time.
bool WantsAllFaults();
// Which of `count` faults `place` gets in that sample: another one each day, or as CRISP_FAULT_SEED
// (a number) says; the seed is printed.
size_t FaultTurn(const std::string& place, size_t count);

// A name that GoogleTest accepts.
std::string FaultCaseName(const testing::TestParamInfo<std::string>& param);

}  // namespace crisp::test

#endif  // CRISP_TESTS_FAULT_FAULT_FIXTURE_H_
