#include "pod/workloads.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>

namespace crisp::pod {
namespace {

namespace v1 = ::runtime::v1;
using google::protobuf::Value;

constexpr int64_t kHighestNumber = int64_t{1} << 40;
// As the configuration has it for these; more than any kernel takes.
constexpr int64_t kLongestPeriod_us = 1'000'000;
constexpr int64_t kHighestLimit_millicpus = 10'000'000;
constexpr int64_t kUsualPeriod_us = 100'000;
// cgroup-v1/sched-bwc.rst. The kubelet and CRI-O raise what a small limit comes to, likewise.
constexpr int64_t kSmallestQuota_us = 1000;
constexpr char kAllowed[] = "allowed: cpushares, cpuquota, cpuperiod, cpulimit, cpuset";

Result<int64_t> Number(const Value& value, int64_t highest) {
  const double number = value.number_value();
  if (value.kind_case() != Value::kNumberValue || number < 0 ||
      number > static_cast<double>(highest) || std::floor(number) != number) {
    return InvalidArgument("allowed: a whole number, 0 to ", highest);
  }
  return static_cast<int64_t>(number);
}

Status ApplyKey(const std::string& key, const Value& value, Workload* settings) {
  if (key == "cpuset") {
    if (value.kind_case() != Value::kStringValue) return InvalidArgument("allowed: a text");
    settings->cpuset = value.string_value();
    return OkStatus();
  }
  if (key == "cpushares") {
    settings->cpu_shares = CRISP_TRY(Number(value, kHighestNumber));
  } else if (key == "cpuquota") {
    settings->cpu_quota_us = CRISP_TRY(Number(value, kHighestNumber));
  } else if (key == "cpuperiod") {
    settings->cpu_period_us = CRISP_TRY(Number(value, kLongestPeriod_us));
  } else if (key == "cpulimit") {
    settings->cpu_limit_millicpus = CRISP_TRY(Number(value, kHighestLimit_millicpus));
  } else {
    return InvalidArgument("unknown key; ", kAllowed);
  }
  return OkStatus();
}

Status ApplyAnnotation(const std::string& text, Workload* settings) {
  google::protobuf::Struct object;
  if (!google::protobuf::util::JsonStringToMessage(text, &object).ok()) {
    return InvalidArgument("'", text, "' is not a JSON object; ", kAllowed);
  }
  if (object.fields().contains("cpuquota")) settings->cpu_limit_millicpus = 0;
  for (const auto& [key, value] : object.fields()) {
    CRISP_RETURN_IF_ERROR(ApplyKey(key, value, settings).Wrap(key));
  }
  return OkStatus();
}

// When all keys are read, whose order means nothing.
void ReplaceQuotaByLimit(Workload* settings) {
  if (settings->cpu_limit_millicpus == 0) return;
  // Set with the quota: the container's own period may be another one.
  if (settings->cpu_period_us == 0) settings->cpu_period_us = kUsualPeriod_us;
  settings->cpu_quota_us =
      std::max(settings->cpu_limit_millicpus * settings->cpu_period_us / 1000, kSmallestQuota_us);
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
  ReplaceQuotaByLimit(&settings);
  if (settings.cpu_shares > 0) resources->set_cpu_shares(settings.cpu_shares);
  if (settings.cpu_quota_us > 0) resources->set_cpu_quota(settings.cpu_quota_us);
  if (settings.cpu_period_us > 0) resources->set_cpu_period(settings.cpu_period_us);
  if (!settings.cpuset.empty()) resources->set_cpuset_cpus(settings.cpuset);
  return OkStatus();
}

}  // namespace crisp::pod
