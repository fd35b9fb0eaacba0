#include "oci/seccomp_notify.h"

#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

namespace crisp::oci {
namespace {

using nlohmann::json;

constexpr std::string_view kErrno = "SCMP_ACT_ERRNO";
constexpr std::string_view kNotify = "SCMP_ACT_NOTIFY";
constexpr int kHighestSyscall = 1023;  // beyond what any table of today has
// Between the filter's loading and the handing over of its descriptor.
constexpr std::array<std::string_view, 10> kNeededByRuntimes = {
    "close", "execve",  "exit",    "exit_group", "futex",
    "read",  "recvmsg", "sendmsg", "sendto",     "write"};

bool IsNeeded(std::string_view name) {
  return std::find(kNeededByRuntimes.begin(), kNeededByRuntimes.end(), name) !=
         kNeededByRuntimes.end();
}

std::string NameOf(uint32_t token, int number) {
  const std::unique_ptr<char, decltype(&std::free)> name(
      ::seccomp_syscall_resolve_num_arch(token, number), &std::free);
  return name ? std::string(name.get()) : std::string();
}

std::set<std::string> NamedCalls(const SeccompProfile& profile) {
  std::set<std::string> out;
  for (const SeccompRule& rule : profile.rules) out.insert(rule.names.begin(), rule.names.end());
  return out;
}

// libseccomp and runc: the descriptor comes from a filter that is not synchronised to other threads
// (seccomp(2): NEW_LISTENER and TSYNC exclude each other).
void DropThreadSync(SeccompProfile* profile) {
  std::erase(profile->flags, "SECCOMP_FILTER_FLAG_TSYNC");
}

// Rules that refuse by errno become notifying ones.
void TurnRules(SeccompProfile* profile, SeccompListenerData* data) {
  std::map<std::string, std::set<int>> errnos;
  for (const SeccompRule& rule : profile->rules) {
    if (rule.action != kErrno) continue;
    for (const std::string& name : rule.names) {
      errnos[name].insert(static_cast<int>(rule.errno_ret.value_or(EPERM)));
    }
  }
  // The answer goes by the call's name: one with several errnos stays as it was.
  const auto stays = [&errnos](const std::string& name) {
    return IsNeeded(name) || errnos[name].size() > 1;
  };
  std::vector<SeccompRule> turned;
  for (SeccompRule& rule : profile->rules) {
    const int errno_ret = static_cast<int>(rule.errno_ret.value_or(EPERM));
    if (rule.action != kErrno || errno_ret == ENOSYS) continue;
    SeccompRule notify = rule;
    notify.action = kNotify;
    notify.errno_ret.reset();
    std::erase_if(notify.names, stays);
    std::erase_if(rule.names, [&stays](const std::string& name) { return !stays(name); });
    for (const std::string& name : notify.names) {
      if (errno_ret != data->errno_ret) data->of_calls[name] = errno_ret;
    }
    if (!notify.names.empty()) turned.push_back(std::move(notify));
  }
  std::erase_if(profile->rules, [](const SeccompRule& rule) { return rule.names.empty(); });
  profile->rules.insert(profile->rules.end(), turned.begin(), turned.end());
}

// What no rule names and the default action refuses.
void AddUnnamed(SeccompProfile* profile) {
  const std::set<std::string> named = NamedCalls(*profile);
  SeccompRule rule{{}, std::string(kNotify), {}, {}};
  for (int number = 0; number <= kHighestSyscall; ++number) {
    std::string name = NameOf(::seccomp_arch_native(), number);
    if (name.empty() || named.contains(name) || IsNeeded(name)) continue;
    rule.names.push_back(std::move(name));
  }
  if (!rule.names.empty()) profile->rules.push_back(std::move(rule));
}

std::string_view NextWord(std::string_view* rest) {
  const size_t end = rest->find(' ');
  const std::string_view word = rest->substr(0, end);
  *rest = end == std::string_view::npos ? std::string_view() : rest->substr(end + 1);
  return word;
}

bool ParseErrno(std::string_view text, int* out) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && stop == text.data() + text.size() && *out >= 0 && *out <= 4095;
}

}  // namespace

std::string EncodeListenerData(const SeccompListenerData& data) {
  std::string out = Cat(data.container_id, ' ', data.errno_ret);
  for (const auto& [name, value] : data.of_calls) out += Cat(' ', name, ':', value);
  return out;
}

Result<SeccompListenerData> DecodeListenerData(std::string_view text) {
  SeccompListenerData out;
  out.container_id = std::string(NextWord(&text));
  if (out.container_id.empty() || !ParseErrno(NextWord(&text), &out.errno_ret)) {
    return DataLoss("a seccomp listener's metadata is not crisp's");
  }
  while (!text.empty()) {
    const std::string_view word = NextWord(&text);
    const size_t colon = word.find(':');
    int value = 0;
    if (colon == std::string_view::npos || colon == 0 ||
        !ParseErrno(word.substr(colon + 1), &value)) {
      return DataLoss("a seccomp listener's metadata is not crisp's: '", word, "'");
    }
    out.of_calls[std::string(word.substr(0, colon))] = value;
  }
  return out;
}

void MakeNotifying(const std::string& container_id, const std::string& listener_path,
                   SeccompProfile* profile) {
  if (!profile->listener_path.empty()) return;
  SeccompProfile out = *profile;
  SeccompListenerData data;
  data.container_id = container_id;
  data.errno_ret = static_cast<int>(out.default_errno_ret.value_or(EPERM));
  TurnRules(&out, &data);
  if (out.default_action == kErrno && data.errno_ret != ENOSYS) AddUnnamed(&out);
  const bool any = std::any_of(out.rules.begin(), out.rules.end(),
                               [](const SeccompRule& rule) { return rule.action == kNotify; });
  if (!any) return;
  DropThreadSync(&out);
  out.listener_path = listener_path;
  out.listener_metadata = EncodeListenerData(data);
  *profile = std::move(out);
}

Result<SeccompListenerData> ParseListenerMessage(std::string_view text) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return Unavailable("a seccomp listener's message is not complete");
  if (document.is_object()) {
    const auto metadata = document.find("metadata");
    if (metadata != document.end() && metadata->is_string()) {
      return DecodeListenerData(metadata->get_ref<const std::string&>());
    }
  }
  return DataLoss("a message to the seccomp listener has no metadata");
}

std::string SyscallName(uint32_t arch, int number) {
  // libseccomp's tokens are the kernel's AUDIT_ARCH numbers; x32 calls have a bit of their own.
  std::string name = NameOf(arch, number);
  return name.empty() ? Cat("syscall ", number) : name;
}

}  // namespace crisp::oci
