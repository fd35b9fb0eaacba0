#include "network/cni_result.h"

#include <arpa/inet.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "network/cni_version.h"
#include "network/json_check.h"

namespace crisp::network {
namespace {

using nlohmann::json;

bool IsIpv4(const std::string& text) {
  in_addr address;
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool IsIpv6(const std::string& text) {
  in6_addr address;
  return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool HasString(const json& object, const char* key, std::string_view wanted) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() && it->get_ref<const std::string&>() == wanted;
}

// True when ips[i] is on `interface` inside the sandbox. Interfaces of the host side (the bridge,
// the outer end of the pair) have no `sandbox`.
Result<bool> BelongsTo(const json& result, const json& ip, std::string_view interface) {
  const auto index = ip.find("interface");
  if (index == ip.end() || index->is_null()) return true;
  const auto interfaces = result.find("interfaces");
  const size_t count =
      interfaces != result.end() && interfaces->is_array() ? interfaces->size() : 0;
  if (!index->is_number_integer() || index->get<int64_t>() < 0 || index->get<uint64_t>() >= count) {
    return Internal("interface ", index->dump(), ": there are ", count, " interfaces");
  }
  const json& entry = (*interfaces)[index->get<size_t>()];
  if (!entry.is_object()) return Internal("interfaces[", index->dump(), "] is not an object");
  const auto sandbox = entry.find("sandbox");
  const bool inside = sandbox != entry.end() && sandbox->is_string() &&
                      !sandbox->get_ref<const std::string&>().empty();
  return inside && HasString(entry, "name", interface);
}

Result<std::string> AddressOf(const json& ip) {
  const auto it = ip.find("address");
  if (it == ip.end() || !it->is_string()) return Internal("address is missing");
  const std::string& text = it->get_ref<const std::string&>();
  std::string address = text.substr(0, text.find('/'));
  // inet_pton reads up to a NUL only.
  const bool whole = address.find('\0') == std::string::npos;
  if (whole && (IsIpv4(address) || IsIpv6(address))) return address;
  return Internal("address '", text, "' is not an IP address with prefix length");
}

}  // namespace

Result<std::string> NormalizeResult(std::string_view text) {
  if (Status status = CheckJsonObject(text); !status.ok()) {
    return std::move(status).WithCode(Code::kInternal).Wrap("the result");
  }
  const json result = json::parse(text, nullptr, /*allow_exceptions=*/false);
  // Absent in the results of some old plugins; then it is the version that they were asked in.
  if (const auto version = result.find("cniVersion"); version != result.end()) {
    if (!version->is_string() || !IsSupportedVersion(version->get_ref<const std::string&>())) {
      return Internal("the result has cniVersion ", version->dump(),
                      ": crisp understands 0.3.0 to 1.1.0");
    }
  }
  return result.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<std::vector<std::string>> AddressesOf(std::string_view text, std::string_view interface) {
  const json result = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!result.is_object()) return Internal("the result is not a JSON object");
  std::vector<std::string> out;
  const auto ips = result.find("ips");
  if (ips == result.end() || ips->is_null()) return out;
  if (!ips->is_array()) return Internal("the result's ips is not an array");
  for (size_t i = 0; i < ips->size(); ++i) {
    const json& ip = (*ips)[i];
    if (!ip.is_object()) return Internal("the result's ips[", i, "] is not an object");
    if (!CRISP_TRY(BelongsTo(result, ip, interface).Wrap("the result's ips[", i, "]"))) continue;
    std::string address = CRISP_TRY(AddressOf(ip).Wrap("the result's ips[", i, "]"));
    if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(std::move(address));
  }
  return out;
}

Result<PodAddresses> ChoosePrimary(std::vector<std::string> addresses, AddressPreference prefer) {
  if (addresses.empty()) return Internal("the result has no address for the pod");
  auto primary = addresses.begin();
  if (prefer != AddressPreference::kCni) {
    const auto wanted = std::find_if(addresses.begin(), addresses.end(), [&](const auto& address) {
      return prefer == AddressPreference::kIpv4 ? IsIpv4(address) : IsIpv6(address);
    });
    if (wanted != addresses.end()) primary = wanted;
  }
  PodAddresses out;
  out.primary = std::move(*primary);
  addresses.erase(primary);
  out.additional = std::move(addresses);
  return out;
}

}  // namespace crisp::network
