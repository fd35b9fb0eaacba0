// Command-line arguments of `crisp`.
//
// What:    flags ("--name VALUE", "--name=VALUE", "--switch") and the words between them; "--" ends
//          the flags. With `stop_at_word`, the first word ends them too, so that a command to run
//          keeps its own flags.
// Errors:  kInvalidArgument names the argument and what is allowed.
#ifndef CRISP_SERVER_CLI_ARGS_H_
#define CRISP_SERVER_CLI_ARGS_H_

#include <map>
#include <string>
#include <vector>

#include "base/core/result.h"

namespace crisp::cli {

struct Flag {
  std::string name;        // "--socket"
  std::string value_name;  // "PATH"; empty: a switch
  std::string help;
  bool repeatable = false;
};

struct Parsed {
  std::map<std::string, std::vector<std::string>> flags;  // switches have one empty value
  std::vector<std::string> words;

  bool Has(const std::string& flag) const { return flags.contains(flag); }
  // The last value; `otherwise` when the flag was not given.
  std::string Get(const std::string& flag, const std::string& otherwise = {}) const;
  std::vector<std::string> GetAll(const std::string& flag) const;
};

Result<Parsed> ParseArguments(const std::vector<std::string>& arguments,
                              const std::vector<Flag>& flags, bool stop_at_word);

// "NAME=VALUE" with a name that is not empty.
Result<std::pair<std::string, std::string>> ParseAssignment(const std::string& text);

}  // namespace crisp::cli

#endif  // CRISP_SERVER_CLI_ARGS_H_
