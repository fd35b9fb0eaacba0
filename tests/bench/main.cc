// cri_bench: a load and latency tool for any CRI endpoint (see README.md).
#include <signal.h>
#include <sys/utsname.h>

#include <cstdio>
#include <thread>

#include "base/core/file.h"
#include "tests/bench/measure.h"

namespace crisp::bench {
namespace {

struct Part {
  const char* name;
  Status (*measure)(const Options&, Report*);
};
// Memory first: what a daemon holds after hundreds of pods is another question.
constexpr Part kParts[] = {{"memory", MeasureMemory}, {"floor", MeasureFloors},
                           {"pods", MeasurePods},     {"exec", MeasureExec},
                           {"log", MeasureLog},       {"pull", MeasurePull},
                           {"images", MeasureImages}, {"scale", MeasureScale}};

Status AddFacts(const Options& options, Report* report) {
  test::CriClient client(options.endpoint);
  const auto version = CRISP_TRY(client.Call(v1::VersionRequest()));
  report->AddFact("runtime", Cat(version.runtime_name(), " ", version.runtime_version()));
  report->AddFact("handler", options.handler.empty() ? "(default)" : options.handler);
  report->AddFact("image", options.image);
  utsname system{};
  ::uname(&system);
  report->AddFact("machine", Cat(system.machine, ", ", std::thread::hardware_concurrency(),
                                 " CPUs, Linux ", system.release));
  return OkStatus();
}

int Main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  const Result<Options> options = ParseOptions(argc, argv);
  if (!options.ok()) {
    std::fprintf(stderr, "cri_bench: %s\n%s", options.status().message().c_str(), kUsage);
    return 2;
  }
  if (options->help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  Report report;
  Status status = AddFacts(*options, &report);
  for (const Part& part : kParts) {
    if (!status.ok() || !options->parts.contains(part.name)) continue;
    std::fprintf(stderr, "cri_bench: %s\n", part.name);
    status = part.measure(*options, &report).Wrap(part.name);
  }
  std::fputs(report.Table().c_str(), stdout);
  if (status.ok() && !options->json.empty()) status = WriteFile(options->json, report.Json());
  if (!status.ok()) std::fprintf(stderr, "cri_bench: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace crisp::bench

int main(int argc, char** argv) { return crisp::bench::Main(argc, argv); }
