// Loading: files to Config, Config to text.
//
// Contract: the main file, then <its directory>/conf.d/*.yaml in lexical order; later files win,
//           maps merge, lists and values are replaced, null takes a key back to its default.
// Errors:   kInvalidArgument with one line for each mistake: "file:line: key: what; allowed: ...";
//           nothing is loaded then. kNotFound when a required file is missing.
#ifndef CRISP_SERVER_CONFIG_LOAD_H_
#define CRISP_SERVER_CONFIG_LOAD_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "server/config/config.h"
#include "server/config/value.h"

namespace crisp::config {

inline constexpr char kDefaultPath[] = "/etc/crisp/crisp.yaml";

// What computed defaults depend on.
struct Surroundings {
  std::string path;            // PATH, for runtimes
  std::string executable_dir;  // where this program lies
  std::string libexec_dir = "/usr/libexec/crisp";

  static Surroundings Detect();
};

struct Loaded {
  Config config;
  std::vector<std::string> files;  // that were read, in order
};

// `required`: a missing main file is an error; else it counts as empty.
Result<Loaded> Load(const std::string& path, bool required, const Surroundings& surroundings);
// socket.path alone: also for who lacks what the rest of it needs on this machine (another PATH
// than crispd's, say).
Result<std::string> LoadSocketPath(const std::string& path, bool required);
// The tree of merged files to a checked and completed Config.
Result<Config> FromValue(const Value& tree, const Surroundings& surroundings);

// Every setting with its effective value, in the table's order.
Value ToValue(const Config& config);
// The commented default file (deploy/crisp.yaml): "##" begins explanations, "#" a setting that
// states its default.
std::string DefaultFile();
// Keys whose effective values differ, in two groups.
struct Changes {
  std::vector<std::string> reloadable;
  std::vector<std::string> need_restart;
};
Changes Compare(const Config& before, const Config& after);

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_LOAD_H_
