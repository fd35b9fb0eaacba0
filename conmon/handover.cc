#include "conmon/handover.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/core/child_process.h"
#include "base/core/file.h"
#include "conmon/confinement.h"

namespace crisp::conmon {
namespace {

constexpr auto kCheckTime = std::chrono::seconds(2);
constexpr uint32_t kMaxList = 4096;

class StateWriter {
 public:
  void Number(uint64_t v) { out_ += BodyWriter().U64(v).Take(); }
  void Fd(int fd) { Number(static_cast<uint64_t>(static_cast<int64_t>(fd))); }
  void Text(std::string_view text) {
    out_ += BodyWriter().U32(static_cast<uint32_t>(text.size())).Take();
    out_ += text;
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

class StateReader {
 public:
  explicit StateReader(std::string_view data) : in_(data) {}
  uint64_t Number() { return in_.U64(); }
  int Fd() { return static_cast<int>(static_cast<int64_t>(in_.U64())); }
  bool Flag() { return in_.U64() != 0; }
  std::string Text() { return in_.Text(); }
  bool ok() const { return in_.ok(); }

 private:
  BodyReader in_;
};

void PutOptions(const Options& options, StateWriter* out) {
  for (const std::string* text :
       {&options.id, &options.bundle, &options.state_dir, &options.log_path, &options.oom_watch}) {
    out->Text(*text);
  }
  out->Number(static_cast<uint64_t>(options.log_line_limit_bytes));
  out->Number(options.terminal);
  out->Number(options.stdin_open);
  out->Number(options.stdin_once);
  out->Number(options.runtime_argv.size());
  for (const std::string& word : options.runtime_argv) out->Text(word);
}

bool GetOptions(StateReader* in, Options* options) {
  for (std::string* text : {&options->id, &options->bundle, &options->state_dir, &options->log_path,
                            &options->oom_watch}) {
    *text = in->Text();
  }
  options->log_line_limit_bytes = static_cast<int64_t>(in->Number());
  options->terminal = in->Flag();
  options->stdin_open = in->Flag();
  options->stdin_once = in->Flag();
  const uint64_t words = in->Number();
  if (!in->ok() || words > kMaxList) return false;
  for (uint64_t i = 0; i < words; ++i) options->runtime_argv.push_back(in->Text());
  return in->ok() && options->log_line_limit_bytes >= kMinLineLimit_bytes &&
         options->log_line_limit_bytes <= kMaxLineLimit_bytes;
}

Status SetCloseOnExec(const std::vector<int>& fds, bool on) {
  for (int fd : fds) {
    if (::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) != 0) return Errno("descriptor ", fd);
  }
  return OkStatus();
}

// The new program must be able to read what we are about to leave behind.
Status CheckProgram(const std::string& program) {
  RunOptions run;
  run.argv = {program, "--resume-check", Cat(Handover::kVersion)};
  run.deadline = MonoNow() + kCheckTime;
  run.stdout_limit_bytes = 4096;
  const RunOutput output = CRISP_TRY(Run(run));
  if (output.status.success()) return OkStatus();
  return FailedPrecondition(program, " cannot take over: handover version ", Handover::kVersion,
                            " is not known to it");
}

}  // namespace

Handover Handover::Save(const Monitor& monitor, const Client* asker, uint32_t request) {
  Handover state;
  const Stdio& stdio = monitor.stdio_;
  state.options_ = monitor.options_;
  state.container_pid_ = monitor.container_pid_;
  state.container_start_time_ = monitor.container_start_time_;
  state.listener_ = monitor.clients_.listener_fd();
  state.log_ = stdio.log_.fd();
  state.out_ = stdio.out_.fd();
  state.err_ = stdio.err_.fd();
  state.stdin_ = stdio.stdin_.fd();
  state.out_line_ = stdio.out_.unfinished_line();
  state.err_line_ = stdio.err_.unfinished_line();
  state.stdin_pending_ = stdio.stdin_.pending();
  state.stdin_closing_ = stdio.stdin_.closing();
  state.logged_bytes_ = stdio.log_.logged_bytes();
  state.dropped_bytes_ = stdio.log_.dropped_bytes();
  state.oom_kills_ = monitor.oom_.kills();
  state.confined_ = monitor.confined_;
  for (const auto& client : monitor.clients_.all()) {
    if (!client->alive()) continue;
    state.clients_.push_back(
        {client->fd(), client->said_hello, client->streams(), client->input_ended()});
  }
  state.asker_ = asker->fd();
  state.request_ = request;
  return state;
}

std::string Handover::Encode() const {
  StateWriter out;
  out.Number(kVersion);
  PutOptions(options_, &out);
  out.Number(static_cast<uint64_t>(container_pid_));
  out.Number(container_start_time_);
  for (int fd : {listener_, log_, out_, err_, stdin_, asker_}) out.Fd(fd);
  for (const std::string* text : {&out_line_, &err_line_, &stdin_pending_}) out.Text(*text);
  for (uint64_t number : {static_cast<uint64_t>(stdin_closing_), logged_bytes_, dropped_bytes_,
                          static_cast<uint64_t>(oom_kills_), static_cast<uint64_t>(request_),
                          static_cast<uint64_t>(clients_.size())}) {
    out.Number(number);
  }
  for (const ClientState& client : clients_) {
    out.Fd(client.fd);
    out.Number(client.said_hello);
    out.Number(client.streams);
    out.Number(client.input_ended);
  }
  out.Text(options_.log_directory);
  out.Number(confined_);
  return out.Take();
}

Result<Handover> Handover::Decode(std::string_view text) {
  StateReader in(text);
  const uint64_t version = in.Number();
  if (version < 1 || version > kVersion) return InvalidArgument("resume: unknown version");
  Handover state;
  if (!GetOptions(&in, &state.options_)) return InvalidArgument("resume: malformed options");
  state.container_pid_ = static_cast<int32_t>(in.Number());
  state.container_start_time_ = in.Number();
  for (int* fd :
       {&state.listener_, &state.log_, &state.out_, &state.err_, &state.stdin_, &state.asker_}) {
    *fd = in.Fd();
  }
  for (std::string* line : {&state.out_line_, &state.err_line_, &state.stdin_pending_}) {
    *line = in.Text();
  }
  state.stdin_closing_ = in.Flag();
  state.logged_bytes_ = in.Number();
  state.dropped_bytes_ = in.Number();
  state.oom_kills_ = static_cast<uint32_t>(in.Number());
  state.request_ = static_cast<uint32_t>(in.Number());
  const uint64_t clients = in.Number();
  const auto limit = static_cast<size_t>(state.options_.log_line_limit_bytes);
  if (!in.ok() || clients > kMaxList || state.out_line_.size() > limit ||
      state.err_line_.size() > limit) {
    return InvalidArgument("resume: malformed state");
  }
  for (uint64_t i = 0; i < clients; ++i) {
    ClientState client;
    client.fd = in.Fd();
    client.said_hello = in.Flag();
    client.streams = static_cast<uint8_t>(in.Number());
    client.input_ended = in.Flag();
    state.clients_.push_back(client);
  }
  if (version >= 2) {
    state.options_.log_directory = in.Text();
    state.confined_ = in.Flag();
  }
  if (!in.ok()) return InvalidArgument("resume: the state is truncated");
  return state;
}

std::vector<int> Handover::Descriptors() const {
  std::vector<int> fds;
  for (int fd : {listener_, log_, out_, err_, stdin_}) {
    if (fd >= 0) fds.push_back(fd);
  }
  for (const ClientState& client : clients_) fds.push_back(client.fd);
  return fds;
}

Status Handover::Exec(Monitor* monitor, const std::string& program, const Client* asker,
                      uint32_t request) {
  CRISP_RETURN_IF_ERROR(CheckProgram(program).Wrap("upgrade"));
  const Handover state = Save(*monitor, asker, request);
  UniqueFd memory(::memfd_create("crisp-handover", MFD_CLOEXEC));
  if (!memory) return Errno("upgrade: memfd_create");
  CRISP_RETURN_IF_ERROR(WriteAll(memory.get(), state.Encode()).Wrap("upgrade"));
  if (::lseek(memory.get(), 0, SEEK_SET) != 0) return Errno("upgrade: lseek");
  std::vector<int> fds = state.Descriptors();
  fds.push_back(memory.get());
  CRISP_RETURN_IF_ERROR(SetCloseOnExec(fds, false).Wrap("upgrade"));
  const std::string number = Cat(memory.get());
  // --id is for whoever reads the process list.
  ::execl(program.c_str(), "crisp-monitor", "--id", state.options_.id.c_str(), "--resume-fd",
          number.c_str(), nullptr);
  Status failed = Errno("upgrade: exec ", program);
  CRISP_RETURN_IF_ERROR(SetCloseOnExec(fds, true));
  return failed;
}

Result<Handover> Handover::Load(int memfd) {
  UniqueFd fd(memfd);
  const std::string text = CRISP_TRY(ReadAll(fd.get()).Wrap("resume"));
  return Decode(text);
}

Status Handover::RestoreStdio(Stdio* stdio) {
  stdio->log_.Restore(options_.log_path, options_.log_directory, UniqueFd(log_), logged_bytes_,
                      dropped_bytes_);
  stdio->phase_ = Stdio::Phase::kRunning;
  stdio->out_.Take(UniqueFd(out_));
  stdio->err_.Take(UniqueFd(err_));
  stdio->out_.RestoreUnfinishedLine(std::move(out_line_));
  stdio->err_.RestoreUnfinishedLine(std::move(err_line_));
  stdio->RestartIdle();
  stdio->stdin_.Take(UniqueFd(stdin_));
  stdio->stdin_.Restore(std::move(stdin_pending_), stdin_closing_);
  CRISP_RETURN_IF_ERROR(stdio->Watch(&stdio->out_));
  return stdio->Watch(&stdio->err_);
}

Status Handover::RestoreClients(Monitor* monitor) {
  monitor->clients_.TakeListener(UniqueFd(listener_));
  CRISP_RETURN_IF_ERROR(monitor->clients_.WatchListener());
  for (const ClientState& saved : clients_) {
    Client* const client = CRISP_TRY(monitor->clients_.Add(UniqueFd(saved.fd)));
    client->Restore(saved.said_hello, saved.streams, saved.input_ended);
    if (monitor->stdio_.input_blocked()) client->PauseInput();
    if (saved.fd == asker_) client->Answer(request_, OkStatus());
  }
  return OkStatus();
}

Status Handover::Restore(Monitor* monitor) {
  CRISP_RETURN_IF_ERROR(SetCloseOnExec(Descriptors(), true));
  CRISP_RETURN_IF_ERROR(monitor->PrepareProcess());
  monitor->state_dir_ = CRISP_TRY(OpenFile(options_.state_dir, O_RDONLY | O_DIRECTORY));
  monitor->container_pid_ = container_pid_;
  monitor->container_start_time_ = container_start_time_;
  monitor->state_ = Monitor::State::kCreated;
  CRISP_RETURN_IF_ERROR(RestoreStdio(&monitor->stdio_));
  CRISP_RETURN_IF_ERROR(RestoreClients(monitor));
  monitor->oom_.RestoreKills(oom_kills_);
  (void)monitor->oom_.Start(options_.oom_watch);
  // Filters add up over execs: not twice. A failure must not cost the container its monitor.
  if (!confined_) (void)Confine();
  monitor->confined_ = true;
  // What died between the two programs left a pending SIGCHLD, or none if it was coalesced.
  monitor->OnChildren();
  return OkStatus();
}

void Monitor::OnUpgrade(Client* client, const Packet& packet) {
  const uint32_t request = packet.header.request;
  const std::optional<UpgradeBody> body = UpgradeBody::Decode(packet.body);
  if (!body) {
    return client->Answer(request, InvalidArgument("upgrade: an absolute program path is needed"));
  }
  if (state_ != State::kCreated) {
    return client->Answer(request, FailedPrecondition("upgrade: the container is not running"));
  }
  client->Answer(request, Handover::Exec(this, body->program_path, client, request));
}

}  // namespace crisp::conmon
