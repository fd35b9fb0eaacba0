#include "pod/workloads.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <cmath>

namespace crisp::pod {
namespace {

namespace v1 = ::runtime::v1;
using google::protobuf::Value;

constexpr double kHighestNumber = int64_t{1} << 40;
constexpr int64_t kUsualPeriod_us = 100000;
constexpr int64_t kThousand = 1000;  // of cpulimit
constexpr char kAllowed[] = "allowed: cpushares, cpuquota, cpuperiod, cpulimit, cpuset";

Result<int64_t> Number(const Value& value) {
  const double number = value.number_value();
  if (value.kind_case() != Value::kNumberValue || number < 0 || number > kHighestNumber ||
      std::floor(number) != number) {
    return InvalidArgument("allowed: a whole number that is not negative");
  }
  return static_cast<int64_t>(number);
}

Status ApplyKey(const std::string& key, const Value& value, Workload* settings) {
  if (key == "cpuset") {
    if (value.kind_case() != Value::kStringValue) return InvalidArgument("allowed: a text");
    settings->cpuset = value.string_value();
    return OkStatus();
  }
  if (key != "cpushares" && key != "cpuquota" && key != "cpuperiod" && key != "cpulimit") {
    return InvalidArgument("unknown key; ", kAllowed);
  }
  const int64_t number = CRISP_TRY(Number(value));
  if (key == "cpushares") settings->cpu_shares = number;
  if (key == "cpuquota") settings->cpu_quota_us = number;
  if (key == "cpuperiod") settings->cpu_period_us = number;
  if (key == "cpulimit") {
    settings->cpu_period_us = kUsualPeriod_us;
    settings->cpu_quota_us = number * kUsualPeriod_us / kThousand;
  }
  return OkStatus();
}

Status ApplyAnnotation(const std::string& text, Workload* settings) {
  google::protobuf::Struct object;
  if (!google::protobuf::util::JsonStringToMessage(text, &object).ok()) {
    return InvalidArgument("'", text, "' is not a JSON object; ", kAllowed);
  }
  for (const auto& [key, value] : object.fields()) {
    CRISP_RETURN_IF_ERROR(ApplyKey(key, value, settings).Wrap(key));
  }
  return OkStatus();
}

}  // namespace

Result<const Workload*> FindWorkload(const std::vector<Workload>& workloads,
                                     const v1::PodSandboxConfig& pod) {
  const Workload* active = nullptr;
  for (const Workload& workload : workloads) {
    if (!pod.annotations().contains(workload.activation_annotation)) continue;
    if (active != nullptr) {
      return InvalidArgument("annotations ", active->activation_annotation, " and ",
                             workload.activation_annotation,
                             ": a pod belongs to one workload at most");
    }
    active = &workload;
  }
  return active;
}

Status ApplyWorkload(const std::vector<Workload>& workloads, const v1::PodSandboxConfig& pod,
                     const std::string& container, v1::LinuxContainerResources* resources) {
  const Workload* active = CRISP_TRY(FindWorkload(workloads, pod));
  if (active == nullptr) return OkStatus();
  Workload settings = *active;
  const std::string key = Cat(active->annotation_prefix, '/', container);
  if (const auto own = pod.annotations().find(key); own != pod.annotations().end()) {
    CRISP_RETURN_IF_ERROR(ApplyAnnotation(own->second, &settings).Wrap("annotation ", key));
  }
  if (settings.cpu_shares > 0) resources->set_cpu_shares(settings.cpu_shares);
  if (settings.cpu_quota_us > 0) resources->set_cpu_quota(settings.cpu_quota_us);
  if (settings.cpu_period_us > 0) resources->set_cpu_period(settings.cpu_period_us);
  if (!settings.cpuset.empty()) resources->set_cpuset_cpus(settings.cpuset);
  return OkStatus();
}

}  // namespace crisp::pod
