#include "network/plugin_error.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/core/file.h"
#include "network/json_check.h"

namespace crisp::network {
namespace {

using nlohmann::json;

constexpr size_t kQuoteLimit_bytes = 512;

// One line of printable text: it ends up in a status that a person reads.
std::string Quote(std::string_view text) {
  text = Trim(text);
  std::string out(text.substr(0, kQuoteLimit_bytes));
  for (char& c : out) {
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  return text.size() > kQuoteLimit_bytes ? out + "..." : out;
}

// Spec section 5, table of reserved codes (1 to 99); 100 and up are the plugin's own.
Code CodeFromCni(int cni_code) {
  switch (cni_code) {
    case 1:  // incompatible CNI version
    case 7:  // invalid network configuration
      return Code::kFailedPrecondition;
    case 2:  // unsupported field
      return Code::kInvalidArgument;
    case 11:  // try again later
    case 50:  // plugin not available (1.1)
    case 51:  // plugin not available, limited connectivity (1.1)
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

std::string StringMember(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// The error object, also when log lines stand before it.
std::optional<json> FindErrorObject(std::string_view text) {
  for (size_t at = text.find('{'); at != text.npos; at = text.find("\n{", at)) {
    if (text[at] == '\n') ++at;
    if (!CheckJsonObject(text.substr(at)).ok()) continue;
    json object = json::parse(text.substr(at), nullptr, /*allow_exceptions=*/false);
    if (object.contains("msg") || object.contains("code")) return object;
    return std::nullopt;
  }
  return std::nullopt;
}

std::string HowItEnded(const ExitStatus& status) {
  return status.signal != 0 ? Cat("was killed by signal ", status.signal)
                            : Cat("exited with ", status.code);
}

}  // namespace

PluginFailure DescribeFailure(const RunOutput& output) {
  PluginFailure failure;
  if (const auto object = FindErrorObject(output.stdout_data)) {
    const auto code = object->find("code");
    if (code != object->end() && code->is_number_integer()) {
      const auto wide = code->get<int64_t>();
      failure.cni_code = wide > 0 && wide < 1'000'000 ? static_cast<int>(wide) : 0;
    }
    std::string text = Quote(StringMember(*object, "msg"));
    if (text.empty()) text = HowItEnded(output.status);
    if (const std::string details = Quote(StringMember(*object, "details")); !details.empty()) {
      text += Cat("; ", details);
    }
    if (failure.cni_code != 0) text += Cat(" (CNI code ", failure.cni_code, ")");
    failure.status = Status(CodeFromCni(failure.cni_code), std::move(text));
    return failure;
  }
  std::string text = Cat(HowItEnded(output.status), " without a CNI error object");
  const std::string err = Quote(output.stderr_data);
  const std::string out = Quote(output.stdout_data);
  if (!err.empty()) text += Cat("; stderr: ", err);
  if (!out.empty()) text += Cat("; stdout: ", out);
  failure.status = Internal(text);
  return failure;
}

}  // namespace crisp::network
