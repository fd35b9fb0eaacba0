#include "oci/runtime_errors.h"

#include "base/core/file.h"
#include "oci/runtime_json.h"

namespace crisp::oci {
namespace {

struct KnownText {
  std::string_view text;  // anywhere in the message
  Code code;
};

// The first entry that fits decides.
constexpr KnownText kRunc[] = {
    {"container does not exist", Code::kNotFound},
    {"container with id exists", Code::kAlreadyExists},
    {"container with given ID already exists", Code::kAlreadyExists},
    {"container not running", Code::kFailedPrecondition},
    {"process already finished", Code::kFailedPrecondition},
    {"no such process", Code::kFailedPrecondition},
    {"cannot start an already running container", Code::kFailedPrecondition},
    {"cannot start a container that has stopped", Code::kFailedPrecondition},
    {"cannot exec in a stopped container", Code::kFailedPrecondition},
    {"cannot exec a container that has stopped", Code::kFailedPrecondition},
    {"cannot exec in a paused container", Code::kFailedPrecondition},
    {"cannot delete container", Code::kFailedPrecondition},
    // The container's first process died while the exec was entering its namespaces.
    {"error executing setns process", Code::kFailedPrecondition},
    {"unable to start container process: exec", Code::kInvalidArgument},
    {"unable to start container process: chdir to cwd", Code::kInvalidArgument},
    {"unable to start container process: mkdir", Code::kInvalidArgument},
    // Since 1.2.
    {"error during container init: exec: ", Code::kInvalidArgument},
    {"error during container init: chdir to cwd", Code::kInvalidArgument},
};

constexpr KnownText kCrun[] = {
    {"/status`: No such file or directory", Code::kNotFound},
    {"/status': No such file or directory", Code::kNotFound},
    {"does not exist", Code::kNotFound},
    {"cannot open directory", Code::kNotFound},
    {"already exists", Code::kAlreadyExists},
    {"exec.fifo", Code::kFailedPrecondition},
    {"is not in `created` or `stopped` state", Code::kFailedPrecondition},
    {"the container is not running", Code::kFailedPrecondition},
    {"is not running", Code::kFailedPrecondition},
    {"No such process", Code::kFailedPrecondition},
    {"executable file", Code::kInvalidArgument},
    {"open executable", Code::kInvalidArgument},
    {"exec the container process", Code::kInvalidArgument},
    {"exec container process", Code::kInvalidArgument},
    {"chdir", Code::kInvalidArgument},
};

template <size_t N>
Code FindCode(const KnownText (&table)[N], std::string_view text) {
  for (const KnownText& known : table) {
    if (text.find(known.text) != std::string_view::npos) return known.code;
  }
  return Code::kInternal;
}

// msg="..." of logfmt (logrus): with backslash escapes.
std::string LogfmtMessage(std::string_view line) {
  constexpr std::string_view kMessage = " msg=";
  const size_t at = line.find(kMessage);
  if (at == std::string_view::npos) return std::string(line);
  std::string_view rest = line.substr(at + kMessage.size());
  if (!rest.starts_with('"')) return std::string(rest.substr(0, rest.find(' ')));
  rest.remove_prefix(1);
  std::string out;
  for (size_t i = 0; i < rest.size() && rest[i] != '"'; ++i) {
    if (rest[i] == '\\' && i + 1 < rest.size()) {
      ++i;
      out.push_back(rest[i] == 'n' ? '\n' : rest[i]);
    } else {
      out.push_back(rest[i]);
    }
  }
  return out;
}

struct LogLine {
  std::string message;
  bool is_error = true;  // plain text is taken as one
};

LogLine ParseLogLine(std::string_view line) {
  if (line.starts_with('{')) {
    const LogEntry entry = ParseLogEntry(line);
    if (!entry.message.empty()) {
      return {entry.message, entry.level.empty() || entry.level == "error" ||
                                 entry.level == "fatal" || entry.level == "panic"};
    }
  }
  if (line.starts_with("time=")) {
    return {LogfmtMessage(line), line.find("level=error") != std::string_view::npos ||
                                     line.find("level=fatal") != std::string_view::npos};
  }
  return {std::string(line), true};
}

}  // namespace

std::string LastErrorLine(std::string_view output) {
  std::string last;
  while (!output.empty()) {
    const size_t end = output.find('\n');
    const std::string_view line = Trim(output.substr(0, end));
    output = end == std::string_view::npos ? std::string_view() : output.substr(end + 1);
    if (line.empty()) continue;
    LogLine parsed = ParseLogLine(line);
    if (parsed.is_error) last = std::move(parsed.message);
  }
  return last;
}

Code CodeOfRuntimeError(std::string_view kind, std::string_view text) {
  return kind == "crun" ? FindCode(kCrun, text) : FindCode(kRunc, text);
}

Status RuntimeFailure(std::string_view kind, std::string_view operation, int exit_code,
                      std::string_view output) {
  const std::string text = LastErrorLine(output);
  if (text.empty()) {
    return Internal(kind, ' ', operation, ": exit code ", exit_code, " without a message");
  }
  return Status(CodeOfRuntimeError(kind, text), Cat(kind, ' ', operation, ": ", text));
}

}  // namespace crisp::oci
