#include "image/platform.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cctype>

namespace crisp::image {
namespace {

// uname(2)'s and users' names for Go's GOARCH.
std::string NormalArchitecture(const std::string& name) {
  if (name == "x86_64" || name == "x86-64") return "amd64";
  if (name == "aarch64") return "arm64";
  if (name == "armv7l" || name == "armhf" || name == "armv6l" || name == "armel") return "arm";
  if (name == "i386" || name == "i686") return "386";
  if (name == "loongarch64") return "loong64";
  return name;
}

// "v7" = 7; images without a variant are the oldest that the architecture knows.
int VariantLevel(const Platform& platform) {
  const std::string& v = platform.variant;
  if (v.size() >= 2 && v[0] == 'v' && std::isdigit(static_cast<unsigned char>(v[1]))) {
    return v[1] - '0';
  }
  if (platform.architecture == "arm") return 7;  // containerd and docker read it so
  if (platform.architecture == "arm64") return 8;
  return 1;
}

}  // namespace

std::string Platform::ToString() const {
  std::string out = Cat(os, '/', architecture);
  if (!variant.empty()) out += "/" + variant;
  return out;
}

Platform HostPlatform(const std::string& os, const std::string& arch) {
  utsname name{};
  ::uname(&name);
  Platform host;
  host.os = os.empty() ? "linux" : os;
  const std::string machine = arch.empty() ? name.machine : arch;
  host.architecture = NormalArchitecture(machine);
  if (host.architecture == "arm") host.variant = machine == "armv6l" ? "v6" : "v7";
  return host;
}

Result<Platform> ParsePlatform(const Json& json) {
  Platform platform;
  platform.os = CRISP_TRY(StringMember(json, "os"));
  platform.architecture = NormalArchitecture(CRISP_TRY(StringMember(json, "architecture")));
  platform.variant = CRISP_TRY(StringMember(json, "variant"));
  return platform;
}

int PlatformScore(const Platform& wanted, const Platform& offered) {
  if (offered.empty()) return 1;
  if (!offered.os.empty() && offered.os != wanted.os) return 0;
  if (offered.architecture.empty()) return 1;
  if (offered.architecture != wanted.architecture) return 0;
  const int level = VariantLevel(offered);
  // amd64 levels above v1 need a look at the processor; an index that has them has v1 too.
  const int limit = VariantLevel(wanted);
  return level > limit ? 0 : 10 + level;
}

}  // namespace crisp::image
