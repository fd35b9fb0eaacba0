// OpenSignedMessage: what an OpenPGP message says, if one of the given keys has signed it.
//
// What:    runs gpgv, GnuPG's verifier: it takes keys from the file that it is given and from
// nowhere
//          else, has no agent, no trust database and no home, and its work is done in a process
//          that ends with the message.
// Contract: RFC 4880; gpgv(1); GnuPG doc/DETAILS, "Format of the --status-fd output". Exactly one
//           signature, good, by a key that is neither expired nor revoked, over exactly one text.
// Threads: any.
// Errors:  kPermissionDenied (no such signature), kFailedPrecondition (no gpgv), kInvalidArgument
//          (keys that are no OpenPGP public keys).
#ifndef CRISP_IMAGE_PULL_GPG_SIGNATURE_H_
#define CRISP_IMAGE_PULL_GPG_SIGNATURE_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp::image {

// `keyrings`: binary or armoured. `tmp_dir`: where gpgv's key file may be written.
Result<std::string> OpenSignedMessage(const std::string& message,
                                      const std::vector<std::string>& keyrings,
                                      const std::string& tmp_dir);

// Without its ASCII armour (RFC 4880 section 6); binary packets come back as they are.
Result<std::string> DearmorKeys(std::string_view text);

// The status lines of one run of gpgv: OK, or kPermissionDenied with the reason.
Status JudgeGpgStatus(std::string_view lines);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_GPG_SIGNATURE_H_
