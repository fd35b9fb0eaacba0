#include "tests/bench/options.h"

#include <charconv>
#include <functional>
#include <map>

namespace crisp::bench {

const char kUsage[] = R"(usage: cri_bench [OPTION]...

Times a CRI runtime through its socket, beside the machine's own floors.

  --endpoint PATH       the runtime's socket             (/run/crisp/crisp.sock)
  --image REF           an image that is there, with busybox in it
  --handler NAME        runtime handler                  (the default one)
  --cgroup-parent PATH  cgroup parent of the pods        (the runtime's default)
  --count N             pod lives, execs, pulls          (20)
  --concurrency N       pod lives at a time              (1)
  --scale N             pods that stand while lists are timed  (100)
  --restart COMMAND     kills the daemon at scale and starts it by this  (none: not measured)
  --log-mib N           what one container logs          (300)
  --log-root DIR        where logs go                    (/tmp/cri_bench-logs)
  --pull-image REF      image to pull and remove         (none: not measured)
  --monitors A,B        names of the per-container processes
  --conflist FILE       CNI configuration: its plugins are timed by hand, with --oci-runtime
  --plugin-dirs A:B     where they are                   (/opt/cni/bin:/usr/lib/cni)
  --oci-runtime PATH    runc or crun: its operations are timed by hand, with --conflist
  --parts A,B           of pods,scale,exec,log,memory,pull,images,floor  (all)
  --json FILE           writes the figures there too

Needs root. Removes every pod that it made. A figure is only worth something on a quiet machine.
)";

namespace {

Result<int> ParseCount(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) {
    return InvalidArgument("'", text, "': a number above 0 is wanted");
  }
  return value;
}

Result<std::set<std::string>> ParseParts(const std::string& text) {
  const std::set<std::string> known = Options().parts;
  std::set<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, comma - begin);
    if (!known.contains(part)) return InvalidArgument("no part is called '", part, "'");
    parts.insert(part);
    begin = comma + 1;
  }
  return parts;
}

}  // namespace

Result<Options> ParseOptions(int argc, char** argv) {
  Options options;
  const std::map<std::string, std::string*> texts = {
      {"--endpoint", &options.endpoint},       {"--image", &options.image},
      {"--handler", &options.handler},         {"--cgroup-parent", &options.cgroup_parent},
      {"--log-root", &options.log_root},       {"--pull-image", &options.pull_image},
      {"--monitors", &options.monitors},       {"--conflist", &options.conflist},
      {"--plugin-dirs", &options.plugin_dirs}, {"--oci-runtime", &options.oci_runtime},
      {"--restart", &options.restart},         {"--json", &options.json}};
  const std::map<std::string, int*> counts = {{"--count", &options.count},
                                              {"--concurrency", &options.concurrency},
                                              {"--scale", &options.scale},
                                              {"--log-mib", &options.log_mib}};
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help" || name == "-h") {
      options.help = true;
      return options;
    }
    if (i + 1 >= argc) return InvalidArgument(name, ": unknown, or its value is missing");
    const std::string value = argv[++i];
    if (const auto text = texts.find(name); text != texts.end()) {
      *text->second = value;
    } else if (const auto count = counts.find(name); count != counts.end()) {
      *count->second = CRISP_TRY(ParseCount(value).Wrap(name));
    } else if (name == "--parts") {
      options.parts = CRISP_TRY(ParseParts(value).Wrap(name));
    } else {
      return InvalidArgument("unknown option ", name);
    }
  }
  if (options.endpoint.starts_with("unix://")) options.endpoint.erase(0, 7);
  return options;
}

}  // namespace crisp::bench
