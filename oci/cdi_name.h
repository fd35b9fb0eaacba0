// The parts of a CDI device's name. ParseCdiName (cdi_spec.h) checks a whole one.
//
// Contract: CDI SPEC.md "Kind" and "CDI Devices"; a ':' in a device's name is what vendors use
//           (partitions of a GPU are "0:1").
// Errors:   kInvalidArgument names the part and what is allowed.
#ifndef CRISP_OCI_CDI_NAME_H_
#define CRISP_OCI_CDI_NAME_H_

#include <string_view>

#include "base/core/result.h"

namespace crisp::oci {

Status CheckCdiKind(std::string_view kind);
Status CheckCdiDeviceName(std::string_view name);
bool BeginsWithDigit(std::string_view name);

}  // namespace crisp::oci

#endif  // CRISP_OCI_CDI_NAME_H_
