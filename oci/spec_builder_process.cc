// Arguments, environment and working directory: cri-contract 8.1.
#include <algorithm>
#include <unordered_map>

#include "base/utf8.h"
#include "oci/rlimits.h"
#include "oci/spec_parts.h"

namespace crisp::oci {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

Result<std::vector<std::string>> Arguments(const ContainerRequest& request) {
  const std::vector<std::string>* first = &request.command;
  const std::vector<std::string>* second = &request.args;
  if (request.command.empty()) {
    first = &request.image_entrypoint;
    if (request.args.empty()) second = &request.image_cmd;
  }
  std::vector<std::string> out = *first;
  out.insert(out.end(), second->begin(), second->end());
  if (out.empty()) {
    return InvalidArgument(
        "no command specified (neither in the container's config nor in the image)");
  }
  if (out.front().empty()) return InvalidArgument("command: the program's name is empty");
  for (const std::string& argument : out) CRISP_RETURN_IF_ERROR(CheckText("command", argument));
  return out;
}

// Keys are unique and keep the place of their first appearance; the later value wins.
class Environment {
 public:
  void Set(std::string_view key, std::string_view value) {
    const auto [at, added] = places_.try_emplace(std::string(key), list_.size());
    std::string entry = Cat(key, '=', value);
    if (added) {
      list_.push_back(std::move(entry));
    } else {
      list_[at->second] = std::move(entry);
    }
  }
  bool Has(const std::string& key) const { return places_.contains(key); }
  std::vector<std::string> Take() { return std::move(list_); }

 private:
  std::unordered_map<std::string, size_t> places_;
  std::vector<std::string> list_;
};

Result<std::vector<std::string>> MakeEnvironment(const ContainerRequest& request,
                                                 const std::string& home) {
  Environment env;
  env.Set("PATH", kDefaultPath);
  if (!request.hostname.empty()) env.Set("HOSTNAME", request.hostname);
  if (request.tty) env.Set("TERM", "xterm");
  for (const std::string& entry : request.image_env) {
    const size_t equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos) continue;  // images in the wild have such
    env.Set(std::string_view(entry).substr(0, equals), std::string_view(entry).substr(equals + 1));
  }
  for (const auto& [key, value] : request.env) {
    if (key.empty() || key.find('=') != std::string::npos) {
      return InvalidArgument("envs: '", key, "' is not a name (not empty, without '=')");
    }
    env.Set(key, value);
  }
  if (!env.Has("HOME") && !home.empty()) env.Set("HOME", home);
  std::vector<std::string> out = env.Take();
  for (const std::string& entry : out) {
    CRISP_RETURN_IF_ERROR(CheckText("envs", entry).Wrap(entry.substr(0, entry.find('='))));
  }
  return out;
}

// The kernel refuses a score below the process's own lowest one without CAP_SYS_RESOURCE
// (proc_pid_oom_score_adj(5)): nested containers and build hosts are like that.
Result<std::optional<int>> OomScore(const ContainerRequest& request, const HostFacts& host) {
  if (!request.oom_score_adj) return std::optional<int>();
  const int64_t wanted = *request.oom_score_adj;
  if (wanted < -1000 || wanted > 1000) {
    return InvalidArgument("oom_score_adj: ", wanted, " is out of range (-1000 to 1000)");
  }
  int score = static_cast<int>(wanted);
  if (!host.may_lower_oom_score) score = std::max(score, host.oom_score_adj);
  return std::optional(score);
}

}  // namespace

Status CheckText(std::string_view field, std::string_view value) {
  if (value.find('\0') != std::string_view::npos) {
    return InvalidArgument(field, ": a value contains a NUL byte");
  }
  if (!IsUtf8(value)) {
    return InvalidArgument(field, ": a value is not UTF-8, and the OCI spec is JSON");
  }
  return OkStatus();
}

std::string WorkingDirectory(const ContainerRequest& request) {
  const std::string& own = request.working_dir;
  const std::string& chosen = own.empty() ? request.image_working_dir : own;
  return CleanContainerPath(chosen.empty() ? "/" : chosen);
}

Status BuildProcess(const ContainerRequest& request, const std::string& home, const HostFacts& host,
                    Process* process) {
  process->terminal = request.tty;
  process->args = CRISP_TRY(Arguments(request));
  process->env = CRISP_TRY(MakeEnvironment(request, home));
  process->cwd = WorkingDirectory(request);
  CRISP_RETURN_IF_ERROR(CheckText("working_dir", process->cwd));
  process->no_new_privileges = request.no_new_privs;
  process->oom_score_adj = CRISP_TRY(OomScore(request, host));
  process->rlimits = ClampRlimits(request.rlimits, host.may_lower_oom_score);
  return OkStatus();
}

}  // namespace crisp::oci
