// The commands of `crisp`: a table of names, flags and functions.
#ifndef CRISP_SERVER_CLI_COMMANDS_H_
#define CRISP_SERVER_CLI_COMMANDS_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "server/cli/args.h"

namespace crisp::cli {

inline constexpr int kUsageExit = 2;
inline constexpr int kFailureExit = 125;  // of crisp itself; a container's own code is passed on

struct Command {
  std::string name;   // "image ls"
  std::string words;  // "IMAGE [COMMAND...]"
  std::string help;
  std::vector<Flag> flags;
  size_t min_words = 0;
  size_t max_words = 0;
  bool stop_at_word = false;
  Result<int> (*run)(const Parsed&) = nullptr;  // the exit code
};

Command MakeCommand(std::string name, std::string words, std::string help, std::vector<Flag> flags,
                    size_t min_words, size_t max_words, Result<int> (*run)(const Parsed&));

const std::vector<Command>& Commands();
// The command that the arguments begin with, and how many of them are its name; nullptr: none.
const Command* FindCommand(const std::vector<std::string>& arguments, size_t* name_words);
std::string Usage();
std::string Usage(const Command& command);
// All of main() but signals.
int RunCommandLine(const std::vector<std::string>& arguments);

}  // namespace crisp::cli

#endif  // CRISP_SERVER_CLI_COMMANDS_H_
