// The commands `crisp image ...`.
#ifndef CRISP_SERVER_CLI_IMAGE_COMMANDS_H_
#define CRISP_SERVER_CLI_IMAGE_COMMANDS_H_

#include <string>
#include <vector>

#include "server/cli/admin.pb.h"
#include "server/cli/commands.h"

namespace crisp::cli {

void AddImageCommands(std::vector<Command>* out);

// One line, at most `columns` wide, without line end: "3/9 layers  [=====>    ]  96.0 of 292.0
// MiB".
std::string ProgressLine(const ::crisp::admin::v1::Pull& pull, size_t columns);

}  // namespace crisp::cli

#endif  // CRISP_SERVER_CLI_IMAGE_COMMANDS_H_
