// Names of the Container Device Interface (SPEC.md "Kind", "CDI Devices") and the annotations that
// carry them (cri-contract 8.3).
#include "oci/cdi_name.h"

#include <algorithm>

#include "oci/cdi_spec.h"

namespace crisp::oci {
namespace {

constexpr std::string_view kPrefix = "cdi.k8s.io/";

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlphanumeric(char c) { return IsLetter(c) || IsDigit(c); }

// Begins and ends with a letter or digit, between them also what is in `others`.
bool IsName(std::string_view text, std::string_view others, size_t longest) {
  return !text.empty() && text.size() <= longest && IsAlphanumeric(text.front()) &&
         IsAlphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [&](char c) {
           return IsAlphanumeric(c) || others.find(c) != std::string_view::npos;
         });
}

// The part behind the prefix is the name of a Kubernetes annotation.
Status CheckAnnotationKey(std::string_view key) {
  if (IsName(key.substr(kPrefix.size()), "-_.", 63)) return OkStatus();
  return InvalidArgument("annotation '", key, "': after ", kPrefix,
                         " comes a name of at most 63 letters, digits, '-', '_' and '.', which "
                         "begins and ends with a letter or digit");
}

}  // namespace

Status CheckCdiKind(std::string_view kind) {
  const size_t slash = kind.find('/');
  if (slash == std::string_view::npos) {
    return InvalidArgument("'", kind, "': allowed: vendor/class, e.g. vendor.com/gpu");
  }
  const std::string_view vendor = kind.substr(0, slash);
  if (!IsName(vendor, "-_.", 253) || !IsLetter(vendor.front())) {
    return InvalidArgument("'", kind, "': the vendor '", vendor,
                           "': allowed: at most 253 letters, digits, '-', '_' and '.', first a "
                           "letter, last a letter or digit");
  }
  const std::string_view name = kind.substr(slash + 1);
  if (!IsName(name, "-_.", 63) || !IsLetter(name.front())) {
    return InvalidArgument("'", kind, "': the class '", name,
                           "': allowed: at most 63 letters, digits, '-', '_' and '.', first a "
                           "letter, last a letter or digit");
  }
  return OkStatus();
}

Status CheckCdiDeviceName(std::string_view name) {
  if (IsName(name, "-_.:", 4096)) return OkStatus();
  return InvalidArgument("'", name,
                         "': allowed: letters, digits, '-', '_', '.' and ':', first and last a "
                         "letter or digit");
}

bool BeginsWithDigit(std::string_view name) { return !name.empty() && IsDigit(name.front()); }

Result<CdiName> ParseCdiName(std::string_view name) {
  const size_t equals = name.find('=');
  if (equals == std::string_view::npos) {
    return InvalidArgument("CDI device '", name,
                           "': allowed: a qualified name, vendor/class=device");
  }
  const std::string_view kind = name.substr(0, equals);
  const std::string_view device = name.substr(equals + 1);
  CRISP_RETURN_IF_ERROR(CheckCdiKind(kind).Wrap("CDI device '", name, "': kind"));
  CRISP_RETURN_IF_ERROR(CheckCdiDeviceName(device).Wrap("CDI device '", name, "': device"));
  return CdiName{std::string(kind), std::string(device)};
}

Result<std::vector<std::string>> CdiDevicesOfAnnotations(
    const std::map<std::string, std::string>& annotations) {
  std::vector<std::string> out;
  for (const auto& [key, value] : annotations) {
    if (!key.starts_with(kPrefix)) continue;
    CRISP_RETURN_IF_ERROR(CheckAnnotationKey(key));
    for (size_t begin = 0; begin <= value.size();) {
      const size_t end = std::min(value.find(',', begin), value.size());
      std::string name = value.substr(begin, end - begin);
      CRISP_RETURN_IF_ERROR(ParseCdiName(name).status().Wrap("annotation ", key));
      out.push_back(std::move(name));
      begin = end + 1;
    }
  }
  return out;
}

}  // namespace crisp::oci
