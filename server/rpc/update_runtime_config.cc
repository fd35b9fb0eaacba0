// UpdateRuntimeConfig (cri-contract section 4): the node's pod address ranges.
#include <arpa/inet.h>

#include <charconv>

#include "base/core/file.h"
#include "server/rpc/backend.h"

namespace crisp::rpc {
namespace {

// AF_INET or AF_INET6; 0 when `text` is not "address/length".
int CidrFamily(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return 0;
  int length = -1;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + slash + 1, end, length);
  if (parsed.ec != std::errc() || parsed.ptr != end || length < 0) return 0;
  const std::string address = text.substr(0, slash);
  in6_addr bytes;
  if (::inet_pton(AF_INET, address.c_str(), &bytes) == 1) return length <= 32 ? AF_INET : 0;
  if (::inet_pton(AF_INET6, address.c_str(), &bytes) == 1) return length <= 128 ? AF_INET6 : 0;
  return 0;
}

}  // namespace

Status AnswerUpdateRuntimeConfig(const Backend& backend,
                                 const v1::UpdateRuntimeConfigRequest& request) {
  const std::string& all = request.runtime_config().network_config().pod_cidr();
  std::vector<std::string> cidrs;
  int first_family = 0;
  for (size_t begin = 0; !all.empty() && begin <= all.size();) {
    const size_t end = std::min(all.find(',', begin), all.size());
    std::string cidr(Trim(std::string_view(all).substr(begin, end - begin)));
    const int family = CidrFamily(cidr);
    if (family == 0 || family == first_family || cidrs.size() == 2) {
      return InvalidArgument("runtime_config.network_config.pod_cidr '", all,
                             "': allowed: nothing, one address range such as 10.1.0.0/24, or one "
                             "of each family separated by a comma");
    }
    first_family = family;
    cidrs.push_back(std::move(cidr));
    begin = end + 1;
  }
  backend.network->SetPodCidrs(std::move(cidrs));
  return OkStatus();
}

}  // namespace crisp::rpc
