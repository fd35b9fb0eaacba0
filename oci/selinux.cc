#include "oci/selinux.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "base/core/file.h"
#include "oci/selinux_context.h"

namespace crisp::oci {
namespace {

// "s0" or "c12" at the start of `text`; removes it.
bool TakeLetterAndNumber(char letter, std::string_view* text) {
  if (text->empty() || text->front() != letter) return false;
  size_t end = 1;
  while (end < text->size() && std::isdigit(static_cast<unsigned char>((*text)[end]))) ++end;
  if (end == 1) return false;
  text->remove_prefix(end);
  return true;
}

bool TakeSymbol(char symbol, std::string_view* text) {
  if (text->empty() || text->front() != symbol) return false;
  text->remove_prefix(1);
  return true;
}

// One sensitivity with its categories: s0, s0:c1, s0:c1,c2, s0:c0.c1023 (mcs(8)).
bool TakeSensitivity(std::string_view* text) {
  if (!TakeLetterAndNumber('s', text)) return false;
  if (!TakeSymbol(':', text)) return true;
  do {
    if (!TakeLetterAndNumber('c', text)) return false;
    if (TakeSymbol('.', text) && !TakeLetterAndNumber('c', text)) return false;
  } while (TakeSymbol(',', text));
  return true;
}

bool IsLevel(std::string_view text) {
  if (!TakeSensitivity(&text)) return false;
  if (TakeSymbol('-', &text) && !TakeSensitivity(&text)) return false;
  return text.empty();
}

// An identifier of the policy language.
bool IsName(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
  });
}

Status CheckOptions(const RequestedSelinux& options) {
  const std::pair<const char*, const std::string*> names[] = {
      {"user", &options.user}, {"role", &options.role}, {"type", &options.type}};
  for (const auto& [field, value] : names) {
    if (value->empty() || IsName(*value)) continue;
    return InvalidArgument("selinux_options.", field, ": '", *value,
                           "' is malformed (letters, digits, '_', '.' and '-' are allowed)");
  }
  if (options.level.empty() || IsLevel(options.level)) return OkStatus();
  return InvalidArgument("selinux_options.level: '", options.level,
                         "' is malformed (such as s0, s0:c4,c5 or s0-s0:c0.c1023)");
}

// security_check_context(3). A kernel without a policy has nothing to say.
Status CheckPolicyKnows(const SelinuxHost& host, const std::string& label) {
  const auto file = OpenFile(JoinPath(host.filesystem, "context"), O_RDWR);
  if (!file.ok()) return OkStatus();
  const std::string text(label.c_str(), label.size() + 1);
  const Status known = WriteAll(file->get(), text);
  if (known.ok() || known.sys_errno() != EINVAL) return OkStatus();
  return InvalidArgument("selinux_options: the policy of this host does not know the label '",
                         label, "'");
}

std::string OrDefault(const std::string& value, const std::string& otherwise) {
  return value.empty() ? otherwise : value;
}

const std::string& ContextOf(const SelinuxHost& host, SelinuxDomain domain) {
  if (domain == SelinuxDomain::kInit) return host.init_process;
  return domain == SelinuxDomain::kKvm ? host.kvm_process : host.process;
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

std::optional<SelinuxContext> ParseSelinuxContext(std::string_view text, bool mls) {
  SelinuxContext out;
  bool has_level = false;
  for (std::string* part : {&out.user, &out.role, &out.type}) {
    const size_t colon = text.find(':');
    has_level = colon != std::string_view::npos;
    if (!has_level && (mls || part != &out.type)) return std::nullopt;
    *part = text.substr(0, colon);
    if (!IsName(*part)) return std::nullopt;
    text.remove_prefix(has_level ? colon + 1 : text.size());
  }
  if (has_level && !IsLevel(text)) return std::nullopt;
  if (mls) out.level = text;
  return out;
}

std::string ToText(const SelinuxContext& context) {
  return Cat(context.user, ':', context.role, ':', context.type, context.level.empty() ? "" : ":",
             context.level);
}

std::string SensitivityOf(const SelinuxHost& host) {
  if (!host.mls) return {};
  const auto process = ParseSelinuxContext(host.process, host.mls);
  return process ? process->level.substr(0, process->level.find_first_of(":-")) : "s0";
}

bool IsInitSystem(const std::string& program) {
  static constexpr std::array<std::string_view, 5> kPrograms = {
      "/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd",
      "/usr/local/sbin/init"};
  return std::find(kPrograms.begin(), kPrograms.end(), program) != kPrograms.end();
}

bool IsVirtualMachine(const std::string& runtime_path) {
  const std::string name = BaseName(runtime_path);
  return name == "krun" || name == "kata" || name.starts_with("kata-");
}

Result<SelinuxLabels> ResolveSelinux(const SelinuxHost& host, const SelinuxRequest& request) {
  if (!host.enabled) return SelinuxLabels{};
  const RequestedSelinux options = request.options.value_or(RequestedSelinux{});
  CRISP_RETURN_IF_ERROR(CheckOptions(options));
  if (!host.mls && !options.level.empty()) {
    return InvalidArgument("selinux_options.level: '", options.level,
                           "', but the policy of this host has no levels");
  }
  auto process = ParseSelinuxContext(ContextOf(host, request.domain), host.mls);
  auto file = ParseSelinuxContext(host.file, host.mls);
  if (!process || !file) return Internal("selinux: contexts of the host are malformed");
  const bool unconfined = request.domain == SelinuxDomain::kUnconfined;
  // A pod's may be of a time when the policy had levels.
  const std::string pod_level = host.mls ? OrDefault(options.level, request.level) : std::string();
  // Categories would not keep spc_t from anything, but others from talking to it.
  const std::string level = unconfined ? options.level : pod_level;
  process->user = OrDefault(options.user, process->user);
  process->role = OrDefault(options.role, process->role);
  process->type = OrDefault(options.type, unconfined ? "spc_t" : process->type);
  process->level = OrDefault(level, process->level);
  file->level = OrDefault(pod_level, file->level);
  SelinuxLabels out{ToText(*process), ToText(*file)};
  CRISP_RETURN_IF_ERROR(CheckPolicyKnows(host, out.process));
  CRISP_RETURN_IF_ERROR(CheckPolicyKnows(host, out.mount));
  return out;
}

std::string ContextOption(const std::string& label) {
  // Quotes, because levels have commas.
  return label.empty() ? std::string() : Cat(",context=\"", label, "\"");
}

}  // namespace crisp::oci
