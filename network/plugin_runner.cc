#include "network/plugin_runner.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/core/child_process.h"
#include "base/failpoint.h"
#include "network/plugin_error.h"

extern char** environ;  // NOLINT

namespace crisp::network {
namespace {

// A result is some hundred bytes; more than this is not one.
constexpr size_t kStdoutLimit_bytes = 1u << 20;

std::string Join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const std::string& part : parts) out += Cat(out.empty() ? "" : separator, part);
  return out;
}

}  // namespace

Result<std::string> PluginRunner::FindProgram(const std::string& type) const {
  for (const std::string& dir : options_.plugin_dirs) {
    std::string path = Cat(dir, '/', type);
    struct stat st {};
    if (::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) &&
        ::access(path.c_str(), X_OK) == 0) {
      return path;
    }
  }
  return FailedPrecondition("no executable '", type, "' in the plugin directories ",
                            Join(options_.plugin_dirs, ", "), ": install the plugin there");
}

std::vector<std::string> PluginRunner::Environment(const PluginCall& call) const {
  std::vector<std::string> env;
  bool has_path = false;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    if (variable.starts_with("CNI_")) continue;
    has_path = has_path || variable.starts_with("PATH=");
    env.emplace_back(variable);
  }
  if (!has_path) env.emplace_back(kDefaultPath);
  env.push_back(Cat("CNI_COMMAND=", call.command));
  env.push_back(Cat("CNI_CONTAINERID=", call.container_id));
  env.push_back(Cat("CNI_NETNS=", call.netns_path));
  env.push_back(Cat("CNI_IFNAME=", kPodInterface));
  env.push_back(Cat("CNI_ARGS=", call.args));
  env.push_back(Cat("CNI_PATH=", Join(options_.plugin_dirs, ":")));
  return env;
}

Result<std::string> PluginRunner::Execute(const PluginCall& call, const CancelToken& cancel) const {
  CRISP_FAILPOINT(Cat("network.plugin.", call.command, '.', call.type, ".before"));
  RunOptions run;
  run.argv = {CRISP_TRY(FindProgram(call.type))};
  run.env = Environment(call);
  run.working_directory = "/";
  run.new_session = true;  // so that an IPAM plugin dies with the plugin that waits for it
  run.place = options_.helper_place;
  run.reaper = options_.reaper;
  run.stdin_data = call.request;
  run.stdout_limit_bytes = kStdoutLimit_bytes;
  run.deadline = MonoNow() + options_.deadline;
  run.cancel = cancel;
  auto output = crisp::Run(run);
  if (!output.ok()) {
    Status status = std::move(output).status();
    // A bad file: no fault of what the client named.
    if (status.code() == Code::kInvalidArgument) {
      status = std::move(status).WithCode(Code::kFailedPrecondition);
    }
    return status;
  }
  CRISP_FAILPOINT(Cat("network.plugin.", call.command, '.', call.type, ".after"));
  if (output->status.success()) return std::move(output->stdout_data);
  PluginFailure failure = DescribeFailure(*output);
  if (call.command == "DEL" && failure.cni_code == kCniUnknownContainer) return std::string();
  return std::move(failure.status);
}

Result<std::string> PluginRunner::Run(const PluginCall& call, const CancelToken& cancel) const {
  const Labels labels = {{"plugin", call.type}, {"command", call.command}};
  Result<std::string> result = [&] {
    Span span(options_.telemetry->GetHistogram("crisp_network_plugin_seconds",
                                               "Run time of CNI plugins", labels));
    return Execute(call, cancel);
  }();
  if (!result.ok()) {
    options_.telemetry
        ->GetCounter("crisp_network_plugin_failures_total", "CNI plugin calls that failed", labels)
        .Add();
  }
  return std::move(result).Wrap("cni ", call.command, " ", call.type);
}

}  // namespace crisp::network
