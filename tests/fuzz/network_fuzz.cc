// CNI: configurations, results and failures of plugins, cached attachments, limits in annotations.
#include <arpa/inet.h>

#include "base/core/child_process.h"
#include "fuzz.h"
#include "network/attachment_cache.h"
#include "network/bandwidth.h"
#include "network/cni_result.h"
#include "network/json_check.h"
#include "network/network_config.h"
#include "network/plugin_error.h"

namespace crisp::network {

CRISP_FUZZ(cni_config) {
  for (ConfigForm form : {ConfigForm::kList, ConfigForm::kSingle}) {
    const Result<NetworkConfig> config = ParseNetworkConfig(input, form);
    if (!config.ok()) {
      CRISP_REQUIRE(config.status().code() == Code::kInvalidArgument);
      continue;
    }
    CRISP_REQUIRE(!config->name.empty() && config->name.find('/') == std::string::npos);
    CRISP_REQUIRE(!config->plugins.empty());
    for (const PluginConfig& plugin : config->plugins) {
      CRISP_REQUIRE(!plugin.type.empty() && plugin.type.find('/') == std::string::npos);
      CRISP_REQUIRE(CheckJsonObject(plugin.json).ok());
    }
    const Result<NetworkConfig> again = ParseNetworkConfig(config->json, ConfigForm::kList);
    CRISP_REQUIRE(again.ok());
    CRISP_REQUIRE(again->json == config->json && again->name == config->name);
    CRISP_REQUIRE(again->plugins.size() == config->plugins.size());
    CRISP_REQUIRE(again->cni_version == config->cni_version);
  }
}

CRISP_FUZZ(cni_result) {
  const Result<std::string> result = NormalizeResult(input);
  if (!result.ok()) return;
  CRISP_REQUIRE(result->find('\n') == std::string::npos);
  const Result<std::string> again = NormalizeResult(*result);
  CRISP_REQUIRE(again.ok() && *again == *result);
  const Result<std::vector<std::string>> addresses = AddressesOf(*result, "eth0");
  if (!addresses.ok()) return;
  for (const std::string& address : *addresses) {
    in6_addr binary;
    const int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
    CRISP_REQUIRE(::inet_pton(family, address.c_str(), &binary) == 1);
    CRISP_REQUIRE(address.find('\0') == std::string::npos);
  }
  for (AddressPreference prefer :
       {AddressPreference::kIpv4, AddressPreference::kIpv6, AddressPreference::kCni}) {
    const Result<PodAddresses> chosen = ChoosePrimary(*addresses, prefer);
    CRISP_REQUIRE(chosen.ok() == !addresses->empty());
    if (chosen.ok()) CRISP_REQUIRE(chosen->additional.size() + 1 == addresses->size());
  }
}

CRISP_FUZZ(attachment_cache) {
  const Result<CachedAttachment> attachment = ParseAttachment(std::string(input));
  if (!attachment.ok()) {
    const Code code = attachment.status().code();
    CRISP_REQUIRE(code == Code::kInvalidArgument || code == Code::kDataLoss);
    CRISP_REQUIRE(!attachment.status().message().empty());
    return;
  }
  CRISP_REQUIRE(!attachment->config.plugins.empty());
  CRISP_REQUIRE(CheckJsonObject(attachment->capability_arguments).ok());
  CRISP_REQUIRE(attachment->result.empty() || CheckJsonObject(attachment->result).ok());
  const std::string text = AttachmentText(*attachment);
  const Result<CachedAttachment> again = ParseAttachment(text);
  CRISP_REQUIRE(again.ok() && AttachmentText(*again) == text);
  CRISP_REQUIRE(again->netns_path == attachment->netns_path);
  CRISP_REQUIRE(again->cni_args == attachment->cni_args);
  CRISP_REQUIRE(again->result == attachment->result);
}

CRISP_FUZZ(cni_failure) {
  const fuzz::Parts parts = fuzz::SplitLine(input);
  RunOutput output;
  output.stdout_data = parts.rest;
  output.stderr_data = parts.first;
  const PluginFailure failure = DescribeFailure(output);
  CRISP_REQUIRE(!failure.status.ok());
}

CRISP_FUZZ(quantity) {
  (void)ParseQuantity(input);
  const Result<Bandwidth> bandwidth =
      BandwidthFromAnnotations({{"kubernetes.io/ingress-bandwidth", std::string(input)}});
  if (bandwidth.ok()) CRISP_REQUIRE(bandwidth->egress_bits_per_second == 0);
}

}  // namespace crisp::network
