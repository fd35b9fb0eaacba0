// Options: the command line of cri_bench.
#ifndef CRISP_TESTS_BENCH_OPTIONS_H_
#define CRISP_TESTS_BENCH_OPTIONS_H_

#include <set>
#include <string>

#include "base/core/result.h"

namespace crisp::bench {

struct Options {
  std::string endpoint = "/run/crisp/crisp.sock";
  std::string image = "docker.io/library/busybox:latest";
  std::string handler;
  std::string cgroup_parent;
  std::string log_root = "/tmp/cri_bench-logs";
  int count = 20;          // pod lives, exec calls, pulls
  int concurrency = 1;     // pod lives at a time
  int scale = 100;         // pods that stand while lists are timed
  int log_mib = 300;       // bytes written by the logging container
  std::string pull_image;  // empty: no pull is measured
  std::string monitors = "crisp-monitor,conmon,containerd-shim-runc-v2";  // process names
  std::string conflist;  // for the floors, which need a runtime, too
  std::string plugin_dirs = "/opt/cni/bin:/usr/lib/cni";
  std::string oci_runtime;
  std::string restart;  // command that starts the daemon: it is killed and started at scale
  std::string json;     // file for the JSON
  std::set<std::string> parts = {"pods",   "scale", "exec",   "log",
                                 "memory", "pull",  "images", "floor"};
  bool help = false;
};

extern const char kUsage[];
Result<Options> ParseOptions(int argc, char** argv);

}  // namespace crisp::bench

#endif  // CRISP_TESTS_BENCH_OPTIONS_H_
