#include "oci/cdi_spec.h"

#include <array>
#include <charconv>
#include <limits>
#include <set>

#include "oci/cdi_name.h"
#include "oci/hook_json.h"

namespace crisp::oci {
namespace {

constexpr int64_t kMaxId = std::numeric_limits<uint32_t>::max();
constexpr int kMaxInt = std::numeric_limits<int>::max();

struct Version {
  int major = 0;
  int minor = 0;
  bool operator<(const Version& other) const {
    return major != other.major ? major < other.major : minor < other.minor;
  }
};
constexpr Version kOldest = {0, 3};
constexpr Version kNewest = {1, 1};

// "0.7.0". A patch level does not change the format.
Result<Version> ParseVersion(const std::string& text) {
  std::array<int, 3> numbers{};
  const char* at = text.data();
  const char* const end = at + text.size();
  bool good = true;
  for (size_t i = 0; i < numbers.size() && good; ++i) {
    if (i > 0) good = at != end && *at++ == '.';
    if (!good) break;
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    good = error == std::errc() && numbers[i] >= 0;
    at = next;
  }
  const Version out{numbers[0], numbers[1]};
  if (!good || at != end || out < kOldest || kNewest < out) {
    return InvalidArgument("'", text, "': allowed: 0.3.0 to 1.1.x");
  }
  return out;
}

// A key came with a version of the specification; older files cannot have it.
Status Since(const JsonObject& object, std::string_view key, Version since, Version file) {
  if (!object.Has(key) || !(file < since)) return OkStatus();
  return object.Wrong(key, "needs cdiVersion ", since.major, '.', since.minor, ".0 or newer");
}

Result<std::optional<uint32_t>> ParseId(const JsonObject& object, std::string_view key) {
  const std::optional<int64_t> id = CRISP_TRY(object.Integer(key, 0, kMaxId));
  return id ? std::optional(static_cast<uint32_t>(*id)) : std::optional<uint32_t>();
}

Result<CdiDeviceNode> ParseDeviceNode(const JsonObject& object, Version version) {
  CRISP_RETURN_IF_ERROR(Since(object, "hostPath", {0, 5}, version));
  CdiDeviceNode out;
  out.path = CRISP_TRY(object.GetAbsolutePath("path"));
  out.host_path = out.path;
  if (!CRISP_TRY(object.Text("hostPath")).empty()) {
    out.host_path = CRISP_TRY(object.GetAbsolutePath("hostPath"));
  }
  if (const std::string type = CRISP_TRY(object.Text("type")); !type.empty()) {
    if (type.size() != 1 || std::string_view("bcup").find(type[0]) == std::string_view::npos) {
      return object.Wrong("type", "'", type, "': allowed: b, c, u or p");
    }
    out.type = type[0];
  }
  out.major = CRISP_TRY(object.Integer("major", 0, kMaxInt)).value_or(0);
  out.minor = CRISP_TRY(object.Integer("minor", 0, kMaxInt)).value_or(0);
  if (const auto mode = CRISP_TRY(object.Integer("fileMode", 0, 07777))) {
    out.file_mode = static_cast<mode_t>(*mode);
  }
  out.permissions = CRISP_TRY(object.Text("permissions"));
  if (out.permissions != "none" && out.permissions.find_first_not_of("rwm") != std::string::npos) {
    return object.Wrong("permissions", "'", out.permissions,
                        "': allowed: a subset of rwm, or none");
  }
  out.uid = CRISP_TRY(ParseId(object, "uid"));
  out.gid = CRISP_TRY(ParseId(object, "gid"));
  return out;
}

Result<CdiMount> ParseMount(const JsonObject& object, Version version) {
  CRISP_RETURN_IF_ERROR(Since(object, "type", {0, 4}, version));
  CdiMount out;
  out.host_path = CRISP_TRY(object.GetText("hostPath"));
  out.container_path = CRISP_TRY(object.GetAbsolutePath("containerPath"));
  out.type = CRISP_TRY(object.Text("type"));
  out.options = CRISP_TRY(object.Texts("options"));
  return out;
}

Result<std::pair<HookStage, Hook>> ParseCdiHook(const JsonObject& object) {
  const std::string name = CRISP_TRY(object.GetText("hookName"));
  const std::optional<HookStage> stage = FindHookStage(name);
  if (!stage) {
    return object.Wrong("hookName", "'", name,
                        "': allowed: prestart, createRuntime, createContainer, startContainer, "
                        "poststart or poststop");
  }
  Hook parsed = CRISP_TRY(ParseHook(object));
  return std::pair(*stage, std::move(parsed));
}

// The name of a directory of resctrl.
Status CheckClass(const JsonObject& object, const std::string& name) {
  if (name.find_first_of("/\n") == std::string::npos && name != "." && name != ".." &&
      name.size() < 4096) {
    return OkStatus();
  }
  return object.Wrong("closID", "'", name, "': allowed: the name of a directory");
}

Result<std::optional<IntelRdt>> ParseIntelRdt(const JsonObject& edits, Version version) {
  const nlohmann::json* value = edits.Find("intelRdt");
  if (value == nullptr) return std::optional<IntelRdt>();
  const JsonObject object =
      CRISP_TRY(JsonObject::Open(*value, edits.PathOf("intelRdt"),
                                 {"closID", "l3CacheSchema", "memBwSchema", "schemata",
                                  "enableMonitoring", "enableCMT", "enableMBM"}));
  CRISP_RETURN_IF_ERROR(Since(object, "schemata", {1, 1}, version));
  CRISP_RETURN_IF_ERROR(Since(object, "enableMonitoring", {1, 1}, version));
  IntelRdt out;
  out.clos_id = CRISP_TRY(object.Text("closID"));
  CRISP_RETURN_IF_ERROR(CheckClass(object, out.clos_id));
  out.l3_cache_schema = CRISP_TRY(object.Text("l3CacheSchema"));
  out.mem_bw_schema = CRISP_TRY(object.Text("memBwSchema"));
  out.schemata = CRISP_TRY(object.Texts("schemata"));
  out.enable_monitoring = CRISP_TRY(object.Flag("enableMonitoring"));
  out.enable_cmt = CRISP_TRY(object.Flag("enableCMT"));
  out.enable_mbm = CRISP_TRY(object.Flag("enableMBM"));
  return std::optional(std::move(out));
}

// "additionalGids"; the specification's own example writes "additionalGIDs".
Result<std::vector<uint32_t>> ParseGids(const JsonObject& edits) {
  std::vector<uint32_t> out;
  for (const std::string_view key : {"additionalGids", "additionalGIDs"}) {
    const nlohmann::json* list = edits.Find(key);
    if (list == nullptr) continue;
    if (!list->is_array()) return edits.Wrong(key, "allowed: a list of group ids");
    for (const nlohmann::json& gid : *list) {
      if (!gid.is_number_unsigned() || gid.get<uint64_t>() > kMaxId) {
        return edits.Wrong(key, gid.dump(), ": allowed: a group id, 0 to ", kMaxId);
      }
      if (gid != 0) out.push_back(gid.get<uint32_t>());  // "Values of 0 are ignored"
    }
  }
  return out;
}

// As the kernel wants an interface's name (dev_valid_name in net/core/dev.c).
bool IsInterfaceName(const std::string& name) {
  return !name.empty() && name.size() < 16 && name != "." && name != ".." &&
         name.find_first_of("/: \t\n\v\f\r") == std::string::npos;
}

Status ParseNetDevices(const JsonObject& edits, std::map<std::string, std::string>* out) {
  std::set<std::string> names;
  for (const JsonObject& object :
       CRISP_TRY(edits.Objects("netDevices", {"hostInterfaceName", "name"}))) {
    const std::string host = CRISP_TRY(object.GetText("hostInterfaceName"));
    const std::string name = CRISP_TRY(object.GetText("name"));
    if (!IsInterfaceName(host)) {
      return object.Wrong("hostInterfaceName", "'", host, "': allowed: an interface's name");
    }
    if (!IsInterfaceName(name)) {
      return object.Wrong("name", "'", name, "': allowed: an interface's name");
    }
    if (!out->try_emplace(host, name).second) {
      return object.Wrong("hostInterfaceName", "'", host, "' is there twice");
    }
    if (!names.insert(name).second) return object.Wrong("name", "'", name, "' is there twice");
  }
  return OkStatus();
}

Result<CdiEdits> ParseEdits(const JsonObject& parent, Version version) {
  CdiEdits out;
  const nlohmann::json* value = parent.Find("containerEdits");
  if (value == nullptr) return out;
  const JsonObject edits =
      CRISP_TRY(JsonObject::Open(*value, parent.PathOf("containerEdits"),
                                 {"env", "deviceNodes", "mounts", "hooks", "additionalGids",
                                  "additionalGIDs", "intelRdt", "netDevices"}));
  CRISP_RETURN_IF_ERROR(Since(edits, "intelRdt", {0, 7}, version));
  CRISP_RETURN_IF_ERROR(Since(edits, "additionalGids", {0, 7}, version));
  CRISP_RETURN_IF_ERROR(Since(edits, "additionalGIDs", {0, 7}, version));
  CRISP_RETURN_IF_ERROR(Since(edits, "netDevices", {1, 1}, version));
  out.env = CRISP_TRY(edits.Assignments("env"));
  for (const JsonObject& node :
       CRISP_TRY(edits.Objects("deviceNodes", {"path", "hostPath", "type", "major", "minor",
                                               "fileMode", "permissions", "uid", "gid"}))) {
    out.device_nodes.push_back(CRISP_TRY(ParseDeviceNode(node, version)));
  }
  for (const JsonObject& mount :
       CRISP_TRY(edits.Objects("mounts", {"hostPath", "containerPath", "type", "options"}))) {
    out.mounts.push_back(CRISP_TRY(ParseMount(mount, version)));
  }
  for (const JsonObject& hook :
       CRISP_TRY(edits.Objects("hooks", {"hookName", "path", "args", "env", "timeout"}))) {
    out.hooks.push_back(CRISP_TRY(ParseCdiHook(hook)));
  }
  out.additional_gids = CRISP_TRY(ParseGids(edits));
  out.intel_rdt = CRISP_TRY(ParseIntelRdt(edits, version));
  CRISP_RETURN_IF_ERROR(ParseNetDevices(edits, &out.net_devices));
  return out;
}

Result<CdiDevice> ParseDevice(const JsonObject& object, Version version) {
  CRISP_RETURN_IF_ERROR(Since(object, "annotations", {0, 6}, version));
  CRISP_RETURN_IF_ERROR(object.TextMap("annotations").status());
  CdiDevice out;
  out.name = CRISP_TRY(object.GetText("name"));
  CRISP_RETURN_IF_ERROR(CheckCdiDeviceName(out.name).Wrap(object.PathOf("name")));
  if (BeginsWithDigit(out.name) && version < Version{0, 5}) {
    return object.Wrong("name", "'", out.name,
                        "': a digit at the beginning needs cdiVersion 0.5.0 or newer");
  }
  out.edits = CRISP_TRY(ParseEdits(object, version));
  return out;
}

}  // namespace

Result<CdiSpec> ParseCdiSpec(const std::string& text) {
  const nlohmann::json document = CRISP_TRY(ParseJson(text));
  const JsonObject object = CRISP_TRY(JsonObject::Open(
      document, "", {"cdiVersion", "kind", "annotations", "devices", "containerEdits"}));
  CdiSpec out;
  out.version = CRISP_TRY(object.GetText("cdiVersion"));
  const Version version = CRISP_TRY(ParseVersion(out.version).Wrap("cdiVersion"));
  out.kind = CRISP_TRY(object.GetText("kind"));
  CRISP_RETURN_IF_ERROR(CheckCdiKind(out.kind).Wrap("kind"));
  if (out.kind.find('.', out.kind.find('/')) != std::string::npos && version < Version{0, 6}) {
    return object.Wrong("kind", "'", out.kind,
                        "': a dot in the class needs cdiVersion 0.6.0 or newer");
  }
  CRISP_RETURN_IF_ERROR(Since(object, "annotations", {0, 6}, version));
  CRISP_RETURN_IF_ERROR(object.TextMap("annotations").status());
  out.edits = CRISP_TRY(ParseEdits(object, version));
  std::set<std::string> names;
  for (const JsonObject& device :
       CRISP_TRY(object.Objects("devices", {"name", "annotations", "containerEdits"}))) {
    out.devices.push_back(CRISP_TRY(ParseDevice(device, version)));
    if (!names.insert(out.devices.back().name).second) {
      return device.Wrong("name", "'", out.devices.back().name, "' is there twice");
    }
  }
  if (out.devices.empty()) return object.Wrong("devices", "is missing or empty");
  return out;
}

}  // namespace crisp::oci
