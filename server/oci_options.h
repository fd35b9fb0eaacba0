// From Config to the Options of the oci room: apart from the other rooms', because the tool needs
// them too (config_check.h).
#ifndef CRISP_SERVER_OCI_OPTIONS_H_
#define CRISP_SERVER_OCI_OPTIONS_H_

#include <string>
#include <vector>

#include "oci/cdi.h"
#include "oci/runtime.h"
#include "oci/selinux.h"
#include "oci/spec_builder.h"
#include "server/config/config.h"

namespace crisp {

oci::RuntimeOptions ToRuntimeOptions(const config::Config& config, const std::string& handler);
std::vector<oci::RequestedDevice> ToDevices(const config::Config& config);
oci::SelinuxMode ToSelinuxMode(const config::Config& config);
oci::CdiOptions ToCdiOptions(const config::Config& config);

}  // namespace crisp

#endif  // CRISP_SERVER_OCI_OPTIONS_H_
