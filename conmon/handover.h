// Handover: replacing the monitor's program while the container runs.
//
// What:    Save() writes all that the next program must know into a memfd and Exec() replaces the
//          program (same pid, same children, descriptors kept); Load() and Restore() are the other
//          half, in the new program.
// Contract: the state is versioned; a newer program reads every older version. Before the exec the
//           new program is asked whether it can (`--resume-check N`), because after the exec there
//           is no way back.
// Threads:  one.
// After a failed Exec: the old program goes on as if nothing had been asked.
#ifndef CRISP_CONMON_HANDOVER_H_
#define CRISP_CONMON_HANDOVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "conmon/monitor.h"
#include "conmon/options.h"

namespace crisp::conmon {

class Handover {
 public:
  // 2 added the log's trusted directory and whether the monitor is confined.
  static constexpr uint16_t kVersion = 2;

  struct ClientState {
    int fd = -1;
    bool said_hello = false;
    uint8_t streams = 0;
    bool input_ended = false;
  };

  // In the old program: returns only on failure. `asker` gets kOk for `request` from the new one.
  static Status Exec(Monitor* monitor, const std::string& program, const Client* asker,
                     uint32_t request);

  // In the new program.
  static Result<Handover> Load(int memfd);
  const Options& options() const { return options_; }
  Status Restore(Monitor* monitor);

  // The text of the memfd and back; public for tests.
  std::string Encode() const;
  static Result<Handover> Decode(std::string_view text);

 private:
  static Handover Save(const Monitor& monitor, const Client* asker, uint32_t request);
  std::vector<int> Descriptors() const;
  Status RestoreStdio(Stdio* stdio);
  Status RestoreClients(Monitor* monitor);

  Options options_;
  int32_t container_pid_ = 0;
  uint64_t container_start_time_ = 0;
  int listener_ = -1;
  int log_ = -1;
  int out_ = -1;
  int err_ = -1;
  int stdin_ = -1;
  std::string out_line_;
  std::string err_line_;
  std::string stdin_pending_;
  bool stdin_closing_ = false;
  uint64_t logged_bytes_ = 0;
  uint64_t dropped_bytes_ = 0;
  uint32_t oom_kills_ = 0;
  std::vector<ClientState> clients_;
  bool confined_ = false;
  int asker_ = -1;
  uint32_t request_ = 0;
};

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_HANDOVER_H_
