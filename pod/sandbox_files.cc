#include "pod/sandbox_files.h"

#include <limits.h>
#include <unistd.h>

#include <cctype>

#include "pod/userns.h"

namespace crisp::pod {
namespace {

namespace v1 = ::runtime::v1;

Status CheckWord(std::string_view field, const std::string& value) {
  if (value.empty() || value.find_first_of(" \t\r\n") != std::string::npos) {
    return InvalidArgument("dns_config.", field, ": '", value,
                           "' must be one word without white space");
  }
  return OkStatus();
}

template <typename Values>
Status AppendLine(std::string_view field, std::string_view keyword, const Values& values,
                  std::string* out) {
  if (values.empty()) return OkStatus();
  *out += keyword;
  for (const std::string& value : values) {
    CRISP_RETURN_IF_ERROR(CheckWord(field, value));
    *out += Cat(' ', value);
  }
  *out += '\n';
  return OkStatus();
}

// An absent host file is an empty one: containers of minimal hosts still start.
Result<std::string> CopyOfHost(const std::string& path) {
  auto content = ReadFile(path);
  if (!content.ok() && content.status().code() == Code::kNotFound) return std::string();
  return content;
}

}  // namespace

Result<std::string> ResolvConf(const v1::PodSandboxConfig& config) {
  if (!config.has_dns_config()) return CopyOfHost("/etc/resolv.conf");
  const v1::DNSConfig& dns = config.dns_config();
  std::string out;
  CRISP_RETURN_IF_ERROR(AppendLine("searches", "search", dns.searches(), &out));
  for (const std::string& server : dns.servers()) {
    CRISP_RETURN_IF_ERROR(CheckWord("servers", server));
    out += Cat("nameserver ", server, '\n');
  }
  CRISP_RETURN_IF_ERROR(AppendLine("options", "options", dns.options(), &out));
  return out;
}

Result<std::string> Hostname(const v1::PodSandboxConfig& config) {
  const bool host_network =
      config.linux().security_context().namespace_options().network() == v1::NODE;
  if (config.hostname().empty() || host_network) {
    char name[HOST_NAME_MAX + 1] = {};
    if (::gethostname(name, sizeof(name) - 1) != 0) return Errno("gethostname");
    return std::string(name);
  }
  if (config.hostname().size() > HOST_NAME_MAX) {
    return InvalidArgument("hostname '", config.hostname(), "' is longer than ", HOST_NAME_MAX,
                           " bytes");
  }
  // It becomes a line of /etc/hostname and a variable of the environment.
  for (const char c : config.hostname()) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_') continue;
    return InvalidArgument("hostname '", config.hostname(),
                           "': allowed: letters, digits, '-', '.' and '_'");
  }
  return config.hostname();
}

Status WriteSandboxFiles(const v1::PodSandboxConfig& config, const SandboxPaths& paths) {
  CRISP_RETURN_IF_ERROR(WriteFile(paths.resolv_conf(), CRISP_TRY(ResolvConf(config))));
  CRISP_RETURN_IF_ERROR(WriteFile(paths.hostname(), Cat(CRISP_TRY(Hostname(config)), '\n')));
  CRISP_RETURN_IF_ERROR(WriteFile(paths.hosts(), CRISP_TRY(CopyOfHost("/etc/hosts"))));
  for (const std::string& path : {paths.resolv_conf(), paths.hostname(), paths.hosts()}) {
    CRISP_RETURN_IF_ERROR(GiveToContainerRoot(config, path));
  }
  return OkStatus();
}

}  // namespace crisp::pod
