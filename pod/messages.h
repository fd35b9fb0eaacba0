// From this room's objects to the CRI's messages, and the CRI's filters (cri-contract 2, 5.4, 5.5,
// 7.5, 7.6). Quick: memory only, except the verbose parts, which read small files.
#ifndef CRISP_POD_MESSAGES_H_
#define CRISP_POD_MESSAGES_H_

#include <map>
#include <string>

#include "pod/container.h"
#include "pod/sandbox.h"

namespace crisp::pod {

void FillPodSandbox(const Sandbox& sandbox, v1::PodSandbox* out);
void FillPodSandboxStatus(const Sandbox& sandbox, v1::PodSandboxStatus* out);
void FillContainer(const Container& container, v1::Container* out);
void FillContainerStatus(const Container& container, v1::ContainerStatus* out);

// The verbose "info" value: a complete JSON object (crictl inspect reads .info.pid and
// .info.runtimeSpec).
std::string SandboxInfoJson(const Sandbox& sandbox);
std::string ContainerInfoJson(const Container& container);

bool Matches(const v1::PodSandboxFilter& filter, const Sandbox& sandbox);
bool Matches(const v1::ContainerFilter& filter, const Container& container);
bool Matches(const v1::ContainerStatsFilter& filter, const Container& container);

// Overlays the fields that are set in `update` on `current` (cri-contract 7.7), as
// oci::MergeResources does: a swap limit never falls below the memory limit.
void MergeLimits(const v1::LinuxContainerResources& update, v1::LinuxContainerResources* current);

}  // namespace crisp::pod

#endif  // CRISP_POD_MESSAGES_H_
