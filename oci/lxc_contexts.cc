#include "oci/lxc_contexts.h"

#include <utility>

#include "base/core/file.h"
#include "oci/selinux_context.h"

namespace crisp::oci {
namespace {

// The value of "key = value" in a line; empty without one.
std::string_view ValueOf(std::string_view line, std::string_view* key) {
  const std::string_view text = Trim(line);
  const size_t equals = text.find('=');
  if (text.empty() || text.front() == '#' || equals == std::string_view::npos) return {};
  *key = Trim(text.substr(0, equals));
  std::string_view value = Trim(text.substr(equals + 1));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  return value;
}

template <typename Visit>
Status ForEachValue(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view key;
    const std::string_view value = ValueOf(text.substr(0, end), &key);
    if (!value.empty()) CRISP_RETURN_IF_ERROR(visit(key, value));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return OkStatus();
}

bool IsDirectoryName(std::string_view name) {
  return name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

}  // namespace

std::string ParsePolicyName(std::string_view config) {
  std::string name = "targeted";
  (void)ForEachValue(config, [&name](std::string_view key, std::string_view value) {
    if (key == "SELINUXTYPE" && IsDirectoryName(value)) name = value;
    return OkStatus();
  });
  return name;
}

Status ParseLxcContexts(std::string_view text, const std::string& file, SelinuxHost* host) {
  const std::pair<std::string_view, std::string*> known[] = {{"process", &host->process},
                                                             {"file", &host->file},
                                                             {"ro_file", &host->ro_file},
                                                             {"init_process", &host->init_process},
                                                             {"kvm_process", &host->kvm_process}};
  return ForEachValue(text, [&](std::string_view key, std::string_view value) -> Status {
    for (const auto& [name, target] : known) {
      if (key != name) continue;
      const auto context = ParseSelinuxContext(value, host->mls);
      if (!context) {
        return InvalidArgument(file, ": ", key, ": '", value, "' is no context (user:role:type",
                               host->mls ? ":level)" : ")");
      }
      *target = ToText(*context);
    }
    return OkStatus();
  });
}

}  // namespace crisp::oci
