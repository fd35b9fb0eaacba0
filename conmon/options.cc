#include "conmon/options.h"

#include <iterator>

namespace crisp::conmon {
namespace {

struct TextOption {
  std::string_view name;
  std::string Options::*member;
};
constexpr TextOption kTextOptions[] = {
    {"--id", &Options::id},
    {"--bundle", &Options::bundle},
    {"--state-dir", &Options::state_dir},
    {"--log-path", &Options::log_path},
    {"--log-directory", &Options::log_directory},
    {"--oom-watch", &Options::oom_watch},
};

struct FlagOption {
  std::string_view name;
  bool Options::*member;
};
constexpr FlagOption kFlagOptions[] = {
    {"--terminal", &Options::terminal},
    {"--stdin", &Options::stdin_open},
    {"--stdin-once", &Options::stdin_once},
};

Result<int64_t> ParseNumber(std::string_view name, std::string_view text, int64_t low,
                            int64_t high) {
  int64_t value = 0;
  if (!internal::ParseInteger(text, &value) || value < low || value > high) {
    return InvalidArgument(name, " '", text, "': must be a number from ", low, " to ", high);
  }
  return value;
}

Status SetOwner(std::string_view name, std::string_view value, Options* options) {
  const size_t colon = value.find(':');
  if (colon == std::string_view::npos) {
    return InvalidArgument(name, " '", value, "': must be UID:GID");
  }
  constexpr int64_t kLastId = UINT32_MAX - 1;  // chown(2): the last number means "leave it"
  options->stdio_uid = CRISP_TRY(ParseNumber(name, value.substr(0, colon), 0, kLastId));
  options->stdio_gid = CRISP_TRY(ParseNumber(name, value.substr(colon + 1), 0, kLastId));
  return OkStatus();
}

bool SetFlag(std::string_view name, Options* options) {
  for (const FlagOption& flag : kFlagOptions) {
    if (flag.name == name) return options->*flag.member = true;
  }
  return false;
}

Status SetValue(std::string_view name, const std::string& value, Options* options) {
  for (const TextOption& text : kTextOptions) {
    if (text.name != name) continue;
    options->*text.member = value;
    return OkStatus();
  }
  if (name == "--stdio-owner") return SetOwner(name, value, options);
  if (name == "--log-line-limit") {
    options->log_line_limit_bytes =
        CRISP_TRY(ParseNumber(name, value, kMinLineLimit_bytes, kMaxLineLimit_bytes));
    return OkStatus();
  }
  if (name == "--resume-check") {
    options->action = Options::Action::kResumeCheck;
    options->resume_version = CRISP_TRY(ParseNumber(name, value, 1, 65535));
    return OkStatus();
  }
  int* const fd = name == "--control-fd" ? &options->control_fd : &options->resume_fd;
  *fd = static_cast<int>(CRISP_TRY(ParseNumber(name, value, 3, 1 << 20)));
  return OkStatus();
}

bool TakesValue(std::string_view name) {
  for (const TextOption& text : kTextOptions) {
    if (text.name == name) return true;
  }
  return name == "--log-line-limit" || name == "--stdio-owner" || name == "--control-fd" ||
         name == "--resume-fd" || name == "--resume-check";
}

Status CheckComplete(const Options& options) {
  if (options.action != Options::Action::kRun) return OkStatus();
  if (options.resume_fd >= 0) return OkStatus();  // the rest comes from there
  if (options.id.empty()) return InvalidArgument("--id is missing");
  for (const TextOption& text : kTextOptions) {
    const std::string& value = options.*text.member;
    if (text.name == "--id") continue;
    const bool required = text.name == "--bundle" || text.name == "--state-dir";
    if (value.empty() && !required) continue;
    if (value.empty() || value[0] != '/') {
      return InvalidArgument(text.name, " '", value, "': must be an absolute path");
    }
  }
  if (options.runtime_argv.empty()) {
    return InvalidArgument("the runtime's command is missing after --");
  }
  return OkStatus();
}

}  // namespace

Result<Options> ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  for (auto it = arguments.begin(); it != arguments.end(); ++it) {
    if (*it == "--") {
      options.runtime_argv.assign(std::next(it), arguments.end());
      break;
    }
    if (*it == "--help" || *it == "--version") {
      options.action = *it == "--help" ? Options::Action::kHelp : Options::Action::kVersion;
      return options;
    }
    if (SetFlag(*it, &options)) continue;
    if (!TakesValue(*it)) return InvalidArgument("unknown option '", *it, "'; see --help");
    if (std::next(it) == arguments.end()) return InvalidArgument(*it, " needs a value");
    const std::string& name = *it++;
    CRISP_RETURN_IF_ERROR(SetValue(name, *it, &options));
  }
  CRISP_RETURN_IF_ERROR(CheckComplete(options));
  return options;
}

}  // namespace crisp::conmon
