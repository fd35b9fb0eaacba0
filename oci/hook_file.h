// One file of an OCI hooks directory: a hook, and which containers get it at which stages.
//
// Contract: oci-hooks(5), schema 1.0.0. A container gets the hook when all conditions that `when`
//           gives hold; patterns are POSIX extended regular expressions, found anywhere in the
//           text.
// Threads:  a value; matching may run in parallel.
// Errors:   kInvalidArgument "when.commands[0]: what; what is allowed".
#ifndef CRISP_OCI_HOOK_FILE_H_
#define CRISP_OCI_HOOK_FILE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "oci/hook.h"

namespace crisp::oci {

// A compiled pattern.
class ExtendedRegex {
 public:
  static Result<ExtendedRegex> Compile(const std::string& pattern);
  bool Matches(const std::string& text) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

// What conditions are about.
struct HookSubject {
  std::string command;  // process.args[0]
  std::map<std::string, std::string> annotations;
  bool has_bind_mounts = false;
};

struct HookFile {
  Hook hook;
  std::vector<HookStage> stages;
  // Empty: not given.
  std::optional<bool> always;
  std::optional<bool> has_bind_mounts;
  std::vector<ExtendedRegex> commands;                               // one of them
  std::vector<std::pair<ExtendedRegex, ExtendedRegex>> annotations;  // each of them

  bool Matches(const HookSubject& subject) const;
};

Result<HookFile> ParseHookFile(const std::string& json);

}  // namespace crisp::oci

#endif  // CRISP_OCI_HOOK_FILE_H_
