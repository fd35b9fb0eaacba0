#include "image/registry/hosts_toml.h"

#include <fcntl.h>

#include <algorithm>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "image/registry/toml_text.h"

namespace crisp::image {
namespace {

constexpr char kFileName[] = "hosts.toml";

std::string InDirectory(const std::string& path, const std::string& directory) {
  return path.starts_with('/') ? path : Cat(directory, '/', path);
}

Status BadValue(const TomlValue& value, std::string_view key, std::string_view text,
                std::string_view allowed) {
  return InvalidArgument(value.file, ":", value.line, ": ", key, ": '", text,
                         "': allowed: ", allowed);
}

// A path with both, a list of such, or a list of [certificate, key] pairs.
Status ReadClient(const TomlValue& table, const std::string& directory, EndpointOptions* out) {
  const TomlValue* client = table.Find("client");
  if (client == nullptr) return OkStatus();
  const bool pairs = client->kind == TomlValue::Kind::kArray && !client->items.empty() &&
                     client->items[0].kind == TomlValue::Kind::kArray;
  std::vector<std::string> files;
  if (pairs) {
    TomlValue first = client->items[0];
    TomlValue holder;
    holder.entries.emplace_back("client", std::move(first));
    files = CRISP_TRY(TomlStrings(holder, "client"));
  } else {
    files = CRISP_TRY(TomlStrings(table, "client"));
    if (files.size() > 1) files.resize(1);
  }
  if (files.empty()) return OkStatus();
  if (files.size() > 2) {
    return BadValue(*client, "client", files[2], "a path, or pairs of certificate and key");
  }
  out->client_cert_file = InDirectory(files.front(), directory);
  out->client_key_file =
      files.back().empty() ? out->client_cert_file : InDirectory(files.back(), directory);
  return OkStatus();
}

Status ReadHeaders(const TomlValue& table, EndpointOptions* out) {
  const TomlValue* headers = table.Find("header");
  if (headers == nullptr) return OkStatus();
  if (headers->kind != TomlValue::Kind::kTable) return headers->WrongType("header", "a table");
  for (const auto& [name, unused] : headers->entries) {
    for (const std::string& text : CRISP_TRY(TomlStrings(*headers, name))) {
      if (Cat(name, text).find_first_of("\r\n") != std::string::npos) {
        return BadValue(*headers, "header", name, "names and values of one line");
      }
      std::string& value = out->headers[name];
      value += value.empty() ? text : ", " + text;
    }
  }
  return OkStatus();
}

Result<EndpointOptions> ReadEndpoint(const TomlValue& table, const std::string& directory) {
  EndpointOptions out;
  out.skip_tls_verify = CRISP_TRY(TomlBool(table, "skip_verify", false));
  out.ca_adds_to_system = true;
  for (const std::string& file : CRISP_TRY(TomlStrings(table, "ca"))) {
    out.ca_files.push_back(InDirectory(file, directory));
  }
  CRISP_RETURN_IF_ERROR(ReadClient(table, directory, &out));
  CRISP_RETURN_IF_ERROR(ReadHeaders(table, &out));
  return out;
}

Result<HostsFile::Host> ReadHost(const std::string& address, const TomlValue& table,
                                 const std::string& directory) {
  HostsFile::Host out;
  out.url = address.find("://") == std::string::npos ? "https://" + address : address;
  while (out.url.ends_with('/')) out.url.pop_back();
  const bool http = out.url.starts_with("http://") || out.url.starts_with("https://");
  if (!http || out.url.find_first_of(" @?#") != std::string::npos || out.url.ends_with(':')) {
    return BadValue(table, "host", address, "host[:port] or an http or https address");
  }
  out.endpoint = CRISP_TRY(ReadEndpoint(table, directory));
  out.override_path = CRISP_TRY(TomlBool(table, "override_path", false));
  if (const TomlValue* capabilities = table.Find("capabilities")) {
    out.resolve = out.pull = false;
    for (const std::string& word : CRISP_TRY(TomlStrings(table, "capabilities"))) {
      if (word != "pull" && word != "resolve" && word != "push" && word != "referrers") {
        return BadValue(*capabilities, "capabilities", word, "pull | resolve | push");
      }
      out.resolve |= word == "resolve";
      out.pull |= word == "pull";
    }
  }
  return out;
}

// docker's and containers' layout.
Result<HostsFile> FromCertificates(const DirFd& dir, const std::string& path) {
  HostsFile out;
  out.defaults.ca_adds_to_system = true;
  std::vector<std::string> names = CRISP_TRY(dir.List());
  std::sort(names.begin(), names.end());
  const auto has = [&](const std::string& name) {
    return std::binary_search(names.begin(), names.end(), name);
  };
  for (const std::string& name : names) {
    if (name.ends_with(".crt")) out.defaults.ca_files.push_back(Cat(path, '/', name));
    if (!name.ends_with(".cert") || !out.defaults.client_cert_file.empty()) continue;
    const std::string key = name.substr(0, name.size() - 5) + ".key";
    if (!has(key)) {
      return InvalidArgument(path, '/', name, ": has no key beside it; expected ", key);
    }
    out.defaults.client_cert_file = Cat(path, '/', name);
    out.defaults.client_key_file = Cat(path, '/', key);
  }
  return out;
}

// "host_port_": for file systems without colons.
std::string WithoutColon(const std::string& host) {
  const size_t colon = host.rfind(':');
  if (colon == std::string::npos || host.ends_with(']')) return host;
  return Cat(host.substr(0, colon), '_', host.substr(colon + 1), '_');
}

}  // namespace

Result<HostsFile> ParseHostsToml(std::string_view text, const std::string& file,
                                 const std::string& directory) {
  const TomlValue document = CRISP_TRY(ParseToml(text, file));
  HostsFile out;
  if (const TomlValue* hosts = document.Find("host")) {
    if (hosts->kind != TomlValue::Kind::kTable) return hosts->WrongType("host", "tables");
    for (const auto& [address, table] : hosts->entries) {
      if (table.kind != TomlValue::Kind::kTable) return table.WrongType("host", "a table");
      out.hosts.push_back(CRISP_TRY(ReadHost(address, table, directory)));
    }
  }
  out.defaults = CRISP_TRY(ReadEndpoint(document, directory));
  const std::string server = CRISP_TRY(TomlString(document, "server"));
  if (!server.empty()) out.server = CRISP_TRY(ReadHost(server, document, directory));
  return out;
}

Result<std::optional<HostsFile>> FindHostsFile(const std::vector<std::string>& certs_dirs,
                                               const std::string& host) {
  for (const std::string& root : certs_dirs) {
    for (const std::string& name : {host, WithoutColon(host)}) {
      const std::string directory = Cat(root, '/', name);
      Result<DirFd> dir = DirFd::Open(directory);
      if (!dir.ok()) {
        if (dir.status().code() == Code::kNotFound) continue;
        return std::move(dir).status();
      }
      const std::string file = Cat(directory, '/', kFileName);
      const Result<std::string> text = ReadFileAt(AT_FDCWD, file, kMaxTomlBytes);
      if (text.ok()) return std::optional(CRISP_TRY(ParseHostsToml(*text, file, directory)));
      if (text.status().code() != Code::kNotFound) return text.status();
      return std::optional(CRISP_TRY(FromCertificates(*dir, directory)));
    }
  }
  return std::optional<HostsFile>();
}

}  // namespace crisp::image
