#include "tests/fault/misbehaving_program.h"

#include <unistd.h>

#include "base/core/atomic_file.h"
#include "base/core/file.h"
#include "tests/support/test_daemon.h"

namespace crisp::test {
namespace {

Status Remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return Errno("remove ", path);
  return OkStatus();
}

Status Link(const std::string& target, const std::string& path) {
  CRISP_RETURN_IF_ERROR(Remove(path));
  if (::symlink(target.c_str(), path.c_str()) != 0) return Errno("symlink ", path);
  return OkStatus();
}

}  // namespace

Result<MisbehavingProgram> MisbehavingProgram::Install(const std::string& path,
                                                       const std::string& real) {
  if (::access(real.c_str(), X_OK) != 0) return Errno(real);
  MisbehavingProgram program(path);
  CRISP_RETURN_IF_ERROR(EnsureDirectory(path.substr(0, path.rfind('/'))));
  CRISP_RETURN_IF_ERROR(Link(real, path + ".real"));
  CRISP_RETURN_IF_ERROR(program.Disarm());
  return program;
}

Status MisbehavingProgram::Disarm() {
  CRISP_RETURN_IF_ERROR(Remove(path_ + ".faults"));
  CRISP_RETURN_IF_ERROR(Remove(path_ + ".calls"));
  return Link(ProgramPath("crisp-misbehave"), path_);
}

Status MisbehavingProgram::Arm(const std::string& word, const std::string& fault,
                               const std::string& call) {
  CRISP_RETURN_IF_ERROR(Disarm());
  if (fault == "missing") return Remove(path_);
  return WriteFileAtomically(path_ + ".faults", Cat(word, ' ', call, ' ', fault, '\n'), 0644);
}

int MisbehavingProgram::Calls(const std::string& word) const {
  const Result<std::string> calls = ReadFile(path_ + ".calls");
  int count = 0;
  std::string_view rest = calls.ok() ? std::string_view(*calls) : std::string_view();
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    if (rest.substr(0, end) == word) ++count;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return count;
}

}  // namespace crisp::test
