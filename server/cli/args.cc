#include "server/cli/args.h"

#include <algorithm>

namespace crisp::cli {
namespace {

std::string Names(const std::vector<Flag>& flags) {
  std::string out;
  for (const Flag& flag : flags) out += Cat(out.empty() ? "" : ", ", flag.name);
  return out;
}

}  // namespace

std::string Parsed::Get(const std::string& flag, const std::string& otherwise) const {
  const auto it = flags.find(flag);
  return it == flags.end() ? otherwise : it->second.back();
}

std::vector<std::string> Parsed::GetAll(const std::string& flag) const {
  const auto it = flags.find(flag);
  return it == flags.end() ? std::vector<std::string>() : it->second;
}

Result<Parsed> ParseArguments(const std::vector<std::string>& arguments,
                              const std::vector<Flag>& flags, bool stop_at_word) {
  Parsed out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") {
      out.words.insert(out.words.end(), arguments.begin() + static_cast<long>(i) + 1,
                       arguments.end());
      return out;
    }
    if (argument.size() < 2 || argument.front() != '-') {
      out.words.push_back(argument);
      if (!stop_at_word) continue;
      const bool separator = i + 1 < arguments.size() && arguments[i + 1] == "--";
      out.words.insert(out.words.end(),
                       arguments.begin() + static_cast<long>(i) + (separator ? 2 : 1),
                       arguments.end());
      return out;
    }
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const auto flag = std::find_if(flags.begin(), flags.end(),
                                   [&](const Flag& candidate) { return candidate.name == name; });
    if (flag == flags.end()) {
      return InvalidArgument("unknown flag '", name, "'; allowed: ", Names(flags));
    }
    if (out.Has(name) && !flag->repeatable) return InvalidArgument(name, " is given twice");
    std::string value;
    if (flag->value_name.empty()) {
      if (equals != std::string::npos) return InvalidArgument(name, " takes no value");
    } else if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return InvalidArgument(name, " wants a value: ", name, ' ', flag->value_name);
    }
    out.flags[name].push_back(std::move(value));
  }
  return out;
}

Result<std::pair<std::string, std::string>> ParseAssignment(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return InvalidArgument("'", text, "': allowed: NAME=VALUE");
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

}  // namespace crisp::cli
