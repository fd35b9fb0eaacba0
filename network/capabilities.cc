#include "network/capabilities.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "network/bandwidth.h"

namespace crisp::network {
namespace {

using nlohmann::json;

Result<json> PortMappings(const Attachment& attachment) {
  json out = json::array();
  for (const PortMapping& port : attachment.port_mappings) {
    if (port.host_port <= 0) continue;  // nothing to map: the kubelet sends these too
    const std::string where = Cat("port mapping ", port.host_port, " -> ", port.container_port);
    if (port.host_port > 65535 || port.container_port < 1 || port.container_port > 65535) {
      return InvalidArgument(where, ": ports are 1 to 65535");
    }
    if (port.protocol != "tcp" && port.protocol != "udp" && port.protocol != "sctp") {
      return InvalidArgument(where, ": protocol '", port.protocol, "': wanted tcp, udp or sctp");
    }
    json entry = {{"hostPort", port.host_port},
                  {"containerPort", port.container_port},
                  {"protocol", port.protocol}};
    if (!port.host_ip.empty()) entry["hostIP"] = port.host_ip;
    out.push_back(std::move(entry));
  }
  return out;
}

// The bucket is not limited: the plugin wants a burst with every rate, and 2^31 - 1 bits is the
// largest that its oldest versions take.
json BandwidthObject(const Bandwidth& limits) {
  constexpr auto kBurstBits = std::numeric_limits<int32_t>::max();
  json out = json::object();
  if (limits.ingress_bits_per_second > 0) {
    out["ingressRate"] = limits.ingress_bits_per_second;
    out["ingressBurst"] = kBurstBits;
  }
  if (limits.egress_bits_per_second > 0) {
    out["egressRate"] = limits.egress_bits_per_second;
    out["egressBurst"] = kBurstBits;
  }
  return out;
}

json DnsObject(const Attachment& attachment) {
  json out = json::object();
  if (!attachment.dns_servers.empty()) out["servers"] = attachment.dns_servers;
  if (!attachment.dns_searches.empty()) out["searches"] = attachment.dns_searches;
  if (!attachment.dns_options.empty()) out["options"] = attachment.dns_options;
  return out;
}

}  // namespace

Result<std::string> CapabilityArguments(const Attachment& attachment) {
  json out = json::object();
  const auto add = [&out](const char* name, json value) {
    if (!value.empty()) out[name] = std::move(value);
  };
  add("portMappings", CRISP_TRY(PortMappings(attachment)));
  add("bandwidth", BandwidthObject(CRISP_TRY(BandwidthFromAnnotations(attachment.annotations))));
  add("dns", DnsObject(attachment));
  if (!attachment.cgroup_path.empty()) out["cgroupPath"] = attachment.cgroup_path;
  add("io.kubernetes.cri.pod-annotations", json(attachment.annotations));
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<std::string> CniArgs(const Attachment& attachment) {
  const std::pair<std::string_view, const std::string&> arguments[] = {
      {"K8S_POD_NAMESPACE", attachment.pod_namespace},
      {"K8S_POD_NAME", attachment.pod_name},
      {"K8S_POD_INFRA_CONTAINER_ID", attachment.sandbox.str()},
      {"K8S_POD_UID", attachment.pod_uid}};
  std::string out = "IgnoreUnknown=1";
  for (const auto& [key, value] : arguments) {
    if (value.find_first_of(std::string_view(";\0", 2)) != std::string::npos) {
      return InvalidArgument("CNI argument ", key, ": '", value, "' has a ';' or a zero byte");
    }
    out += Cat(';', key, '=', value);
  }
  return out;
}

}  // namespace crisp::network
