// The part of the table about runtime handlers, devices and hooks.
#include "server/config/device_codec.h"
#include "server/config/registry_codec.h"
#include "server/config/setting_make.h"

namespace crisp::config {

void AddHandlers(std::vector<Setting>* out) {
  out->push_back(Make("runtimes.*.type", OneOfCodec<RuntimeType>({{"oci", RuntimeType::kOci}}),
                      kRestart, "How crisp speaks to it: oci, the command line of runc.",
                      CRISP_NAMED_FIELD(runtimes, type)));
  out->push_back(Make("runtimes.*.allowed_annotations", ListCodec(AnnotationPrefixCodec()),
                      kRestart,
                      "Annotations of pods and containers whose keys begin like one of these are "
                      "passed to the runtime in the OCI spec; no others.",
                      CRISP_NAMED_FIELD(runtimes, allowed_annotations)));
  out->push_back(Make("runtimes.*.default_annotations", TextMapCodec(), kRestart,
                      "Annotations in every container's OCI spec, unless an allowed one of the pod "
                      "has the same key.",
                      CRISP_NAMED_FIELD(runtimes, default_annotations)));
  out->push_back(Make("runtimes.*.base_spec", OptionalPathCodec(), kRestart,
                      "File with an OCI spec (JSON) whose settings hold where crisp sets none, "
                      "e.g. rlimits, sysctls, mounts and hooks; read at the start.",
                      CRISP_NAMED_FIELD(runtimes, base_spec), "none"));
  out->push_back(Make("runtimes.*.monitor_env", EnvironmentCodec(), kRestart,
                      "Environment of the containers' monitors and of each run of the runtime, "
                      "beside PATH.",
                      CRISP_NAMED_FIELD(runtimes, monitor_env)));
  out->push_back(Make("runtimes.*.seccomp_profile", OptionalPathCodec(), kRestart,
                      "Seccomp profile (file) of containers that ask for RuntimeDefault.",
                      CRISP_NAMED_FIELD(runtimes, seccomp_profile), "crisp's own"));
  out->push_back(Make("runtimes.*.privileged_seccomp_profile", OptionalPathCodec(), kRestart,
                      "Seccomp profile (file) of privileged containers, which have none otherwise.",
                      CRISP_NAMED_FIELD(runtimes, privileged_seccomp_profile), "none"));
  out->push_back(Make("runtimes.*.privileged_without_host_devices", BooleanCodec(), kRestart,
                      "Privileged containers get and may use the devices that they ask for, as "
                      "others do, instead of all that the host has.",
                      CRISP_NAMED_FIELD(runtimes, privileged_without_host_devices)));
}

void AddDevices(std::vector<Setting>* out) {
  out->push_back(Make("cdi.spec_dirs", ListCodec(AbsolutePathCodec()), kRestart,
                      "Directories of CDI specs (*.json, *.yaml), watched; later ones win. Need "
                      "not exist. []: no such devices.",
                      CRISP_FIELD(cdi.spec_dirs)));
  out->push_back(Make("hooks_dirs", ListCodec(AbsolutePathCodec()), kRestart,
                      "Directories of OCI hooks (*.json, oci-hooks(5)), watched; a file in a later "
                      "one hides one of the same name. Need not exist.",
                      CRISP_FIELD(hooks_dirs)));
  out->push_back(Make("additional_devices", ListCodec(DeviceCodec()), kRestart,
                      "Devices of the host, or directories of them, that every container gets.",
                      CRISP_FIELD(additional_devices)));
  out->push_back(Make("device_ownership_from_security_context", BooleanCodec(), kRestart,
                      "Device nodes belong to the user and group that the container's security "
                      "context names by number; else to whom they belong on the host.",
                      CRISP_FIELD(device_ownership_from_security_context)));
}

}  // namespace crisp::config
