// The parts of cri_bench; each measures one thing and adds its rows to the report.
//
// After a failure: the Load that was given still removes its pods.
#ifndef CRISP_TESTS_BENCH_MEASURE_H_
#define CRISP_TESTS_BENCH_MEASURE_H_

#include "base/core/result.h"
#include "tests/bench/load.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"

namespace crisp::bench {

// Pod lives, `count` of them, `concurrency` at a time; per-RPC times.
Status MeasurePods(const Options& options, Report* report);
// Brings `scale` pods up and times the calls that a kubelet makes for ever; memory with them.
Status MeasureScale(const Options& options, Report* report);
// `true` by ExecSync and by Exec with a SPDY client; the rate of a large output.
Status MeasureExec(const Options& options, Report* report);
// One container that writes `log_mib` of 100-byte lines; every line is checked.
Status MeasureLog(const Options& options, Report* report);
// The calls that a kubelet makes for ever about images, whatever is in the store.
Status MeasureImages(const Options& options, Report* report);
// Pull and remove of pull_image.
Status MeasurePull(const Options& options, Report* report);
// PSS of the daemon without pods and of its monitors with one.
Status MeasureMemory(const Options& options, Report* report);
// The plugins and the runtime by hand, as often as `count` says.
Status MeasureFloors(const Options& options, Report* report);

// The process at the other end of the socket (SO_PEERCRED).
Result<int> DaemonPid(const std::string& socket);
// Proportional set size in KiB, from smaps_rollup.
Result<int64_t> PssKib(int pid);
// Pids of processes with one of the names in the comma-separated list.
std::vector<int> FindProcesses(const std::string& names);

}  // namespace crisp::bench

#endif  // CRISP_TESTS_BENCH_MEASURE_H_
