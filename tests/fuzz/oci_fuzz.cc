// What OCI runtimes print, what images bring, profiles that users write, and those of the kernel.
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/keyed_line.h"
#include "fuzz.h"
#include "oci/account_files.h"
#include "oci/apparmor_profiles.h"
#include "oci/base_spec.h"
#include "oci/cdi_spec.h"
#include "oci/hook_file.h"
#include "oci/host_facts.h"
#include "oci/lxc_contexts.h"
#include "oci/runtime_errors.h"
#include "oci/runtime_features.h"
#include "oci/runtime_json.h"
#include "oci/seccomp.h"
#include "oci/seccomp_notify.h"
#include "oci/selinux_context.h"
#include "oci/spec.h"
#include "oci/spec_builder.h"

namespace crisp::oci {
namespace {

// A root file system with nothing but account files, as long as the program runs; in memory, since
// they are written for each input.
class AccountTree {
 public:
  AccountTree() {
    CRISP_REQUIRE(::mkdtemp(path_) != nullptr && ::mkdir(Path("etc").c_str(), 0700) == 0);
    dir_ = DirFd::Open(path_).value();
  }
  ~AccountTree() {
    for (const char* file : {"etc/passwd", "etc/group"}) ::unlink(Path(file).c_str());
    ::rmdir(Path("etc").c_str());
    ::rmdir(path_);
  }
  void Write(std::string_view passwd, std::string_view group) const {
    CRISP_REQUIRE(WriteFile(Path("etc/passwd"), passwd).ok());
    CRISP_REQUIRE(WriteFile(Path("etc/group"), group).ok());
  }
  const DirFd& dir() const { return dir_; }

 private:
  std::string Path(std::string_view name) const { return Cat(path_, '/', name); }
  char path_[32] = "/dev/shm/crisp-fuzz-XXXXXX";
  DirFd dir_;
};

}  // namespace

CRISP_FUZZ(runtime_state) {
  const std::string text(input);
  if (const Result<RuntimeState> state = ParseRuntimeState(text); state.ok()) {
    CRISP_REQUIRE(state->pid >= 0);
  }
  (void)ParseFeatures(text);
  if (const Result<RuntimeVersion> version = ParseRuntimeVersion(input); version.ok()) {
    CRISP_REQUIRE(!version->kind.empty());
    for (char c : version->version) CRISP_REQUIRE(c == '.' || (c >= '0' && c <= '9'));
    if (VersionAtLeast(version->version, 2, 1)) {
      CRISP_REQUIRE(VersionAtLeast(version->version, 1, 5));
    }
  }
}

CRISP_FUZZ(runtime_errors) {
  (void)ParseLogEntry(input);
  for (std::string_view kind : {"runc", "crun"}) {
    const Status failure = RuntimeFailure(kind, "create", 1, input);
    CRISP_REQUIRE(!failure.ok());
    CRISP_REQUIRE(failure.message().starts_with(kind));
  }
}

CRISP_FUZZ(spec_process) {
  const Result<Process> process = ProcessFromSpecJson(std::string(input));
  if (!process.ok()) {
    CRISP_REQUIRE(process.status().code() == Code::kDataLoss);
    return;
  }
  const Result<std::string> json = ToJson(*process);
  CRISP_REQUIRE(json.ok());
  const Result<Process> again = ProcessFromSpecJson(Cat("{\"process\":", *json, "}"));
  CRISP_REQUIRE(again.ok());
  const Result<std::string> json_again = ToJson(*again);
  CRISP_REQUIRE(json_again.ok() && *json_again == *json);
}

// An image's StopSignal.
CRISP_FUZZ(stop_signal) {
  const Result<int> signal = ParseSignal(std::string(input));
  if (!signal.ok()) {
    CRISP_REQUIRE(signal.status().code() == Code::kInvalidArgument);
    return;
  }
  CRISP_REQUIRE(*signal >= 1 && *signal <= 64);
  const Result<int> again = ParseSignal(Cat(*signal));
  CRISP_REQUIRE(again.ok() && *again == *signal);
}

CRISP_FUZZ(accounts) {
  const auto check = [](const std::string& name, uint32_t id) {
    CRISP_REQUIRE(!name.empty() && id != UINT32_MAX);
    CRISP_REQUIRE(name.find_first_of(std::string_view(":\n\0", 3)) == std::string::npos);
  };
  for (const PasswdEntry& entry : ParsePasswd(input)) {
    check(entry.name, entry.uid);
    check(entry.name, entry.gid);
    CRISP_REQUIRE(entry.home.find(':') == std::string::npos);
  }
  for (const GroupEntry& entry : ParseGroup(input)) {
    check(entry.name, entry.gid);
    for (const std::string& member : entry.members) {
      CRISP_REQUIRE(!member.empty() && member.find_first_of(",\n") == std::string::npos);
    }
  }
  if (const std::optional<uint32_t> id = ParseAccountId(input)) {
    CRISP_REQUIRE(ParseAccountId(std::to_string(*id)) == id);
  }
}

// A line with an image's User, its passwd, a line "%", its group.
CRISP_FUZZ(image_user) {
  static const AccountTree tree;
  const fuzz::Parts parts = fuzz::SplitLine(input);
  constexpr std::string_view kBetween = "\n%\n";
  const size_t between = std::min(parts.rest.find(kBetween), parts.rest.size());
  const std::string_view passwd_text = parts.rest.substr(0, between);
  const std::string_view group_text =
      parts.rest.substr(std::min(between + kBetween.size(), parts.rest.size()));
  tree.Write(passwd_text, group_text);
  const auto passwd = ParsePasswd(passwd_text);
  const auto groups = ParseGroup(group_text);

  RequestedUser requested;
  requested.image_user = parts.first;
  const Result<ResolvedUser> user = ResolveUser(tree.dir(), requested);
  requested.policy = GroupsPolicy::kStrict;
  const Result<ResolvedUser> strict = ResolveUser(tree.dir(), requested);
  CRISP_REQUIRE(user.status().code() == strict.status().code());
  if (!user.ok()) {
    CRISP_REQUIRE(user.status().code() == Code::kNotFound);
    return;
  }
  CRISP_REQUIRE(user->user.uid != UINT32_MAX && user->user.gid != UINT32_MAX);
  CRISP_REQUIRE(strict->user.uid == user->user.uid && strict->user.gid == user->user.gid);
  CRISP_REQUIRE(strict->user.additional_gids == std::vector<uint32_t>{user->user.gid});
  // Nobody is in a group without being a member, or twice, or without its being the first.
  const std::vector<uint32_t>& gids = user->user.additional_gids;
  CRISP_REQUIRE(gids.front() == user->user.gid);
  for (size_t i = 1; i < gids.size(); ++i) {
    CRISP_REQUIRE(std::find(gids.begin() + i + 1, gids.end(), gids[i]) == gids.end());
    CRISP_REQUIRE(std::any_of(groups.begin(), groups.end(), [&](const GroupEntry& group) {
      return group.gid == gids[i] && !group.members.empty();
    }));
  }
  const auto is_it = [&](const PasswdEntry& entry) {
    return entry.uid == user->user.uid && entry.home == user->home;
  };
  CRISP_REQUIRE(user->has_passwd_entry == std::any_of(passwd.begin(), passwd.end(), is_it));
  // By number it is the same one, whoever has the number as a name.
  requested.image_user = Cat(user->user.uid, ':', user->user.gid);
  const Result<ResolvedUser> again = ResolveUser(tree.dir(), requested);
  CRISP_REQUIRE(again.ok() && again->user.uid == user->user.uid);
  CRISP_REQUIRE(again->user.gid == user->user.gid);
}

CRISP_FUZZ(apparmor_profiles) {
  const LoadedProfiles loaded(input);
  std::string text;
  for (const std::string& name : loaded.names()) {
    CRISP_REQUIRE(!name.empty() && name.find('\n') == std::string::npos);
    CRISP_REQUIRE(input.find(Cat(name, " (")) != std::string_view::npos);
    text += Cat(name, " (enforce)\n");
  }
  const LoadedProfiles again(text);
  CRISP_REQUIRE(again.names() == loaded.names());
  CRISP_REQUIRE(loaded.names().empty() || loaded.Contains(loaded.names().back()));
  // A client's words are a name, never a piece of the list.
  const fuzz::Parts parts = fuzz::SplitLine(input);
  if (input.find('\n') != std::string_view::npos) CRISP_REQUIRE(!loaded.Contains(input));
  for (const std::string& child : loaded.ChildrenOf(parts.first)) {
    CRISP_REQUIRE(loaded.Contains(child) && child.starts_with(Cat(parts.first, "//")));
  }
}

CRISP_FUZZ(seccomp) {
  SeccompContext context;
  context.capabilities = {"CAP_CHOWN", "CAP_SYS_ADMIN"};
  context.kernel_major = 6;
  context.kernel_minor = 1;
  const Result<SeccompProfile> profile = ParseSeccompProfile(std::string(input), context);
  if (!profile.ok()) return;
  CRISP_REQUIRE(!profile->default_action.empty());
  const Result<std::string> json = SeccompToJson(*profile);
  CRISP_REQUIRE(json.ok());
  // What is written for the runtime is itself a profile, and means the same.
  const Result<SeccompProfile> again = ParseSeccompProfile(*json, context);
  CRISP_REQUIRE(again.ok());
  const Result<std::string> json_again = SeccompToJson(*again);
  CRISP_REQUIRE(json_again.ok() && *json_again == *json);
}

CRISP_FUZZ(seccomp_listener) {
  const Result<SeccompListenerData> data = ParseListenerMessage(input);
  if (!data.ok()) {
    CRISP_REQUIRE(data.status().code() == Code::kDataLoss ||
                  data.status().code() == Code::kUnavailable);
  }
  const Result<SeccompListenerData> own = DecodeListenerData(input);
  if (!own.ok()) return;
  CRISP_REQUIRE(!own->container_id.empty() && own->errno_ret >= 0);
  const Result<SeccompListenerData> again = DecodeListenerData(EncodeListenerData(*own));
  CRISP_REQUIRE(again.ok() && again->container_id == own->container_id);
  CRISP_REQUIRE(again->errno_ret == own->errno_ret && again->of_calls == own->of_calls);
}

CRISP_FUZZ(cdi_spec) {
  const Result<CdiSpec> spec = ParseCdiSpec(std::string(input));
  if (!spec.ok()) {
    CRISP_REQUIRE(spec.status().code() == Code::kInvalidArgument);
    return;
  }
  CRISP_REQUIRE(!spec->devices.empty());
  for (const CdiDevice& device : spec->devices) {
    const Result<CdiName> name = ParseCdiName(Cat(spec->kind, "=", device.name));
    CRISP_REQUIRE(name.ok() && name->kind == spec->kind && name->device == device.name);
    for (const CdiDeviceNode& node : device.edits.device_nodes) {
      CRISP_REQUIRE(node.path.starts_with('/') && node.host_path.starts_with('/'));
      CRISP_REQUIRE(node.major >= 0 && node.minor >= 0);
    }
    for (const auto& [stage, hook] : device.edits.hooks) {
      CRISP_REQUIRE(!HookStageName(stage).empty() && hook.path.starts_with('/'));
      CRISP_REQUIRE(!hook.timeout_s || *hook.timeout_s > 0);
    }
    for (const uint32_t gid : device.edits.additional_gids) CRISP_REQUIRE(gid != 0);
  }
}

CRISP_FUZZ(cdi_names) {
  const std::string text(input);
  const bool one = ParseCdiName(text).ok();
  const auto listed = CdiDevicesOfAnnotations({{"cdi.k8s.io/x", text}});
  if (one) CRISP_REQUIRE(listed.ok() && *listed == std::vector<std::string>{text});
  if (listed.ok()) {
    for (const std::string& name : *listed) CRISP_REQUIRE(ParseCdiName(name).ok());
  }
  (void)CdiDevicesOfAnnotations({{"cdi.k8s.io/" + text, "v/c=d"}});
}

CRISP_FUZZ(hook_file) {
  const Result<HookFile> file = ParseHookFile(std::string(input));
  if (!file.ok()) {
    CRISP_REQUIRE(file.status().code() == Code::kInvalidArgument);
    return;
  }
  CRISP_REQUIRE(!file->stages.empty() && file->hook.path.starts_with('/'));
}

// The contexts of an SELinux policy, and the name of its directory.
CRISP_FUZZ(lxc_contexts) {
  const std::string policy = ParsePolicyName(input);
  CRISP_REQUIRE(!policy.empty() && policy != "." && policy != "..");
  CRISP_REQUIRE(policy.find_first_of(std::string_view("/\n\0", 3)) == std::string::npos);
  for (const bool mls : {true, false}) {
    SelinuxHost host;
    host.mls = mls;
    const Status read = ParseLxcContexts(input, "f", &host);
    if (!read.ok()) {
      CRISP_REQUIRE(read.code() == Code::kInvalidArgument && read.message().starts_with("f: "));
      continue;
    }
    // Written in the other style, they are the same.
    SelinuxHost again;
    again.mls = mls;
    const std::string text =
        Cat("# f\nprocess = \"", host.process, "\"\nfile=", host.file, "\nro_file =", host.ro_file,
            "\n init_process= ", host.init_process, "\nkvm_process = \"", host.kvm_process, '"');
    CRISP_REQUIRE(ParseLxcContexts(text, "again", &again).ok());
    for (const auto& [first, second] :
         {std::pair(&host.process, &again.process), std::pair(&host.file, &again.file),
          std::pair(&host.ro_file, &again.ro_file),
          std::pair(&host.init_process, &again.init_process),
          std::pair(&host.kvm_process, &again.kvm_process)}) {
      const auto context = ParseSelinuxContext(*first, mls);
      CRISP_REQUIRE(context && ToText(*context) == *second);
      CRISP_REQUIRE(!mls || *first == *second);
      CRISP_REQUIRE(context->level.empty() == !mls);
    }
  }
}

CRISP_FUZZ(base_spec) {
  const Result<std::string> base = ParseBaseSpec(std::string(input));
  if (!base.ok()) {
    CRISP_REQUIRE(base.status().code() == Code::kInvalidArgument);
    return;
  }
  const Result<std::string> again = ParseBaseSpec(*base);
  CRISP_REQUIRE(again.ok() && *again == *base);
  Spec spec;
  spec.base_json = *base;
  spec.process.env = {"A=1"};
  spec.mounts = {{"/proc", "proc", "proc", {}}};
  spec.hooks[HookStage::kPrestart] = {{"/h", {}, {}, {}}};
  const Result<std::string> merged = ToJson(spec);
  CRISP_REQUIRE(merged.ok());
  CRISP_REQUIRE(ProcessFromSpecJson(*merged).ok() ||
                ProcessFromSpecJson(*merged).status().code() == Code::kDataLoss);
}

CRISP_FUZZ(status_mask) {
  constexpr std::string_view kKey = "CapBnd:";
  const uint64_t mask = StatusMask(input, kKey);
  char line[40];
  std::snprintf(line, sizeof(line), "CapBnd:\t%016jx\n", static_cast<uintmax_t>(mask));
  CRISP_REQUIRE(StatusMask(line, kKey) == mask);
  // The name of a process says nothing, and a second line nothing new.
  CRISP_REQUIRE(StatusMask(Cat("Name:\tCapBnd:\tff\n", input), kKey) == mask);
  const auto value = KeyedLine(input, kKey);
  CRISP_REQUIRE(StatusMask(Cat(input, "\nCapBnd:\t1\n"), kKey) == (value ? mask : 1));
  if (mask == 0) return;
  const std::string_view digits = Trim(value.value());
  CRISP_REQUIRE(digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos);
  CRISP_REQUIRE(StatusMask(Cat(kKey, digits, "g"), kKey) == 0);
}

}  // namespace crisp::oci
