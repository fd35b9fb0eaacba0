#include "server/cli/commands.h"

#include <cstdio>
#include <limits>

#include "base/core/file.h"
#include "server/cli/client.h"
#include "server/cli/image_commands.h"
#include "server/cli/output.h"
#include "server/cli/run_pod.h"
#include "server/cli/table.h"
#include "server/config/load.h"
#include "server/config_check.h"

namespace crisp::cli {
namespace {

Result<int> RunVersion(const Parsed& parsed) {
  Client client(CRISP_TRY(FindSocket(parsed)));
  if (parsed.Has("--json")) {
    CRISP_RETURN_IF_ERROR(PrintJson(CRISP_TRY(client.Version())));
    return 0;
  }
  Print("crisp   " CRISP_VERSION "\n");
  const v1::VersionResponse version = CRISP_TRY(client.Version());
  Print(Cat("crispd  ", version.runtime_version(), " (CRI ", version.runtime_api_version(), ")\n"));
  return 0;
}

Result<int> RunStatus(const Parsed& parsed) {
  Client client(CRISP_TRY(FindSocket(parsed)));
  const v1::StatusResponse status = CRISP_TRY(client.GetStatus(parsed.Has("--json")));
  bool ready = true;
  for (const auto& condition : status.status().conditions()) ready &= condition.status();
  if (parsed.Has("--json")) {
    CRISP_RETURN_IF_ERROR(PrintJson(status));
    return ready ? 0 : 1;
  }
  Table conditions({"CONDITION", "STATUS", "REASON", "MESSAGE"});
  for (const auto& condition : status.status().conditions()) {
    conditions.Add({condition.type(), condition.status() ? "true" : "false", condition.reason(),
                    condition.message()});
  }
  Table handlers({"RUNTIME", "RECURSIVE RO MOUNTS", "USER NAMESPACES"});
  for (const auto& handler : status.runtime_handlers()) {
    const auto word = [](bool value) { return value ? "yes" : "no"; };
    handlers.Add({handler.name().empty() ? "(default)" : handler.name(),
                  word(handler.features().recursive_read_only_mounts()),
                  word(handler.features().user_namespaces())});
  }
  Print(Cat(conditions.ToText(), '\n', handlers.ToText()));
  return ready ? 0 : 1;
}

Result<int> RunConfigShow(const Parsed& parsed) {
  const config::Loaded loaded = CRISP_TRY(LoadConfig(parsed));
  const config::Value value = config::ToValue(loaded.config);
  if (parsed.Has("--json")) {
    Print(config::ToJson(value, true) + "\n");
    return 0;
  }
  for (const std::string& file : loaded.files) Print(Cat("# read: ", file, '\n'));
  if (loaded.files.empty()) Print("# no configuration file: built-in defaults\n");
  Print(config::ToYaml(value));
  return 0;
}

Result<int> RunConfigCheck(const Parsed& parsed) {
  const config::Loaded loaded = CRISP_TRY(LoadConfig(parsed));
  for (const std::string& file : loaded.files) Print(Cat("ok  ", file, '\n'));
  if (loaded.files.empty()) Print("ok  no configuration file: built-in defaults\n");
  bool good = true;
  for (const CheckedPart& part : CheckConfig(loaded.config)) {
    using Verdict = CheckedPart::Verdict;
    good = good && part.verdict != Verdict::kBad;
    const char* mark = part.verdict == Verdict::kGood      ? "ok  "
                       : part.verdict == Verdict::kLeftOut ? "left out  "
                                                           : "wrong  ";
    Print(Cat(mark, part.text, '\n'));
  }
  return good ? 0 : 1;
}

Result<int> RunConfigDefault(const Parsed&) {
  Print(config::DefaultFile());
  return 0;
}

Result<int> RunRun(const Parsed& parsed) {
  RunRequest request;
  request.image = parsed.words[0];
  request.args.assign(parsed.words.begin() + 1, parsed.words.end());
  for (const std::string& text : parsed.GetAll("--env")) {
    request.env.push_back(CRISP_TRY(ParseAssignment(text).Wrap("--env")));
  }
  request.pod_name = parsed.Get("--pod-name");
  request.runtime = parsed.Get("--runtime");
  request.host_network = parsed.Has("--host-network");
  request.keep = parsed.Has("--keep");
  Client client(CRISP_TRY(FindSocket(parsed)));
  return RunPod(&client, request);
}

}  // namespace

Command MakeCommand(std::string name, std::string words, std::string help, std::vector<Flag> flags,
                    size_t min_words, size_t max_words, Result<int> (*run)(const Parsed&)) {
  Command out;
  out.name = std::move(name);
  out.words = std::move(words);
  out.help = std::move(help);
  out.flags = std::move(flags);
  out.min_words = min_words;
  out.max_words = max_words;
  out.run = run;
  return out;
}

namespace {

std::vector<Command> MakeCommands() {
  std::vector<Command> out;
  out.push_back(MakeCommand("version", "", "versions of this tool and of crispd",
                            {kJson, kSocket, kConfig}, 0, 0, RunVersion));
  out.push_back(MakeCommand("status", "", "is the runtime ready, is the network; exit 1 when not",
                            {kJson, kSocket, kConfig}, 0, 0, RunStatus));
  out.push_back(
      MakeCommand("run", "IMAGE [ARGUMENT...]",
                  "one pod with one container: its log here, its exit code passed on",
                  {{"--env", "NAME=VALUE", "environment variable", true},
                   {"--host-network", "", "the host's network instead of one by CNI", false},
                   {"--keep", "", "do not remove the pod at the end", false},
                   {"--pod-name", "NAME", "name of the pod (default: run-<random>)", false},
                   {"--runtime", "NAME", "runtime handler (default: the daemon's)", false},
                   kSocket,
                   kConfig},
                  1, std::numeric_limits<size_t>::max(), RunRun));
  out.back().stop_at_word = true;
  AddImageCommands(&out);
  out.push_back(MakeCommand("config show", "", "the configuration in force, every key",
                            {kJson, kConfig}, 0, 0, RunConfigShow));
  out.push_back(MakeCommand("config check", "",
                            "find mistakes in the configuration, and what of it does not work here",
                            {kConfig}, 0, 0, RunConfigCheck));
  out.push_back(
      MakeCommand("config default", "", "the commented default file", {}, 0, 0, RunConfigDefault));
  return out;
}

std::vector<std::string> SplitWords(const std::string& text) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

int UsageError(const std::string& message, const std::string& usage) {
  std::fprintf(stderr, "crisp: %s\n%s", message.c_str(), usage.c_str());
  return kUsageExit;
}

}  // namespace

const std::vector<Command>& Commands() {
  static const std::vector<Command> table = MakeCommands();
  return table;
}

const Command* FindCommand(const std::vector<std::string>& arguments, size_t* name_words) {
  for (const Command& command : Commands()) {
    const std::vector<std::string> name = SplitWords(command.name);
    if (arguments.size() >= name.size() &&
        std::equal(name.begin(), name.end(), arguments.begin())) {
      *name_words = name.size();
      return &command;
    }
  }
  return nullptr;
}

std::string Usage() {
  std::string out = "usage: crisp COMMAND [FLAGS] ...\n\n";
  Table table({"", ""});
  std::string text;
  for (const Command& command : Commands()) {
    table.Add(
        {Cat("  ", command.name, command.words.empty() ? "" : " ", command.words), command.help});
  }
  text = table.ToText();
  return Cat(out, text.substr(text.find('\n') + 1), "\ncrisp COMMAND --help says more.\n");
}

std::string Usage(const Command& command) {
  std::string out =
      Cat("usage: crisp ", command.name, command.flags.empty() ? "" : " [FLAGS]",
          command.words.empty() ? "" : " ", command.words, "\n  ", command.help, '\n');
  if (command.flags.empty()) return out;
  Table table({"", ""});
  for (const Flag& flag : command.flags) {
    table.Add(
        {Cat("  ", flag.name, flag.value_name.empty() ? "" : " ", flag.value_name), flag.help});
  }
  const std::string text = table.ToText();
  return Cat(out, '\n', text.substr(text.find('\n') + 1));
}

int RunCommandLine(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return UsageError("no command", Usage());
  if (arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    Print(Usage());
    return 0;
  }
  if (arguments[0] == "--version") {
    Print("crisp " CRISP_VERSION "\n");
    return 0;
  }
  size_t name_words = 0;
  const Command* command = FindCommand(arguments, &name_words);
  if (command == nullptr) {
    return UsageError(Cat("unknown command '", arguments[0], "'"), Usage());
  }
  const std::vector<std::string> rest(arguments.begin() + static_cast<long>(name_words),
                                      arguments.end());
  if (!rest.empty() && (rest[0] == "--help" || rest[0] == "-h")) {
    Print(Usage(*command));
    return 0;
  }
  Result<Parsed> parsed = ParseArguments(rest, command->flags, command->stop_at_word);
  if (!parsed.ok()) return UsageError(parsed.status().message(), Usage(*command));
  if (parsed->words.size() < command->min_words || parsed->words.size() > command->max_words) {
    return UsageError(Cat("wrong number of arguments: ", parsed->words.size()), Usage(*command));
  }
  const Result<int> code = command->run(*parsed);
  if (code.ok()) return *code;
  std::fprintf(stderr, "crisp: %s\n", code.status().message().c_str());
  return kFailureExit;
}

}  // namespace crisp::cli
