#include "oci/hook_json.h"

#include <limits>

namespace crisp::oci {

Result<Hook> ParseHook(const JsonObject& object) {
  Hook out;
  out.path = CRISP_TRY(object.GetAbsolutePath("path"));
  out.args = CRISP_TRY(object.Texts("args"));
  out.env = CRISP_TRY(object.Assignments("env"));
  if (const auto timeout =
          CRISP_TRY(object.Integer("timeout", 1, std::numeric_limits<int>::max()))) {
    out.timeout_s = static_cast<int>(*timeout);
  }
  return out;
}

}  // namespace crisp::oci
