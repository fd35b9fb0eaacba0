#include "image/pull_session.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/core/file.h"
#include "base/failpoint.h"
#include "base/ids.h"
#include "base/log.h"

namespace crisp::image {
namespace {

constexpr int kSocketTimeoutSeconds = 30;  // for the rest of a message that has begun
constexpr auto kExitTime = std::chrono::seconds(5);
constexpr size_t kMaxLastWords = 500;

// crisp-pull gets what libcurl reads for proxies and certificates, and what tests arm.
std::vector<std::string> PullerEnvironment() {
  std::vector<std::string> out;
  for (const char* name :
       {"http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy",
        "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "CRISP_FAILPOINTS", "PATH"}) {
    if (const char* value = ::getenv(name)) out.push_back(Cat(name, '=', value));
  }
  // libcurl ignores HTTP_PROXY, which a CGI's client could set; nobody sets ours from outside.
  const char* upper = ::getenv("HTTP_PROXY");
  if (upper != nullptr && ::getenv("http_proxy") == nullptr) {
    out.push_back(Cat("http_proxy=", upper));
  }
  return out;
}

void SetTimeout(int fd) {
  const timeval timeout{kSocketTimeoutSeconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

Status Broken(std::string_view what) { return Internal("crisp-pull breaks the protocol: ", what); }

// Pulls with the same one are as fast as each other. Empty: this machine.
std::string SourceOf(const PullerRequest& request) {
  return request.endpoints.empty() ? std::string() : request.endpoints[0].url;
}

}  // namespace

PullSession::PullSession(ImageStore& store, LayerReservations& reservations, TransferSlots& slots,
                         PullSessionOptions options)
    : store_(store),
      reservations_(reservations),
      slots_(slots),
      options_(std::move(options)),
      directory_(Cat(store.paths().tmp(), "/pull-", RandomHex(8))) {}

PullSession::~PullSession() {
  child_.KillAndReap();
  if (mailbox_ != nullptr) {
    reservations_.Leave(mailbox_);
    slots_.Leave(mailbox_);
  }
  const std::string words = LastWords();
  if (!words.empty()) log::Warning("crisp-pull wrote to its standard error", {{"text", words}});
  const Status status = RemoveTreeAt(directory_);
  if (!status.ok()) log::Warning("temporary directory of a pull stays", {{"error", status}});
}

Status PullSession::AwaitTurn(const CancelToken& cancel) {
  slots_.Enter(mailbox_);
  while (mailbox_->Take().empty()) {  // no other letter comes before
    pollfd fds[] = {{mailbox_->fd(), POLLIN, 0}, {cancel.fd(), POLLIN, 0}};
    const int n = ::poll(fds, 2, PollTimeoutMs(cancel.deadline()));
    if (n < 0 && errno != EINTR) return Errno("wait for other pulls");
    CRISP_RETURN_IF_ERROR(cancel.Check());
  }
  return OkStatus();
}

Status PullSession::Start(const PullerRequest& request) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(directory_, 0700));
  FdPair sockets = CRISP_TRY(MakeSocketPair(SOCK_STREAM));
  // Nobody reads it before the end: the pipe takes its 64 KiB, and further writes fail.
  FdPair errors = CRISP_TRY(MakePipe(O_NONBLOCK));
  SpawnOptions spawn;
  spawn.argv = {options_.pull_binary};
  spawn.env = PullerEnvironment();
  spawn.fds = {{errors.second.get(), 2}, {sockets.second.get(), kPullerSocketFd}};
  spawn.working_directory = "/";
  spawn.new_session = true;
  spawn.cgroup_dirs = options_.cgroup_dirs;
  spawn.reaper = options_.reaper;
  child_ = CRISP_TRY(ChildProcess::Spawn(spawn));
  errors_ = std::move(errors.first);
  SetTimeout(sockets.first.get());
  socket_.emplace(std::move(sockets.first));
  return socket_->Send(ToJson(request));
}

Result<std::vector<NewImage>> PullSession::Run(PullerRequest request, const CancelToken& cancel) {
  CRISP_RETURN_IF_ERROR(cancel.Check());
  mailbox_ = CRISP_TRY(Mailbox::Create(SourceOf(request)));
  CRISP_RETURN_IF_ERROR(AwaitTurn(cancel));
  request.tmp_dir = directory_;
  request.layers_dir = store_.paths().layers();
  CRISP_RETURN_IF_ERROR(Start(request).Wrap("start ", options_.pull_binary));
  if (request.operation == PullerRequest::Operation::kPull) pace_.emplace(MonoNow());
  CRISP_RETURN_IF_ERROR(Serve(cancel));
  (void)child_.Wait(MonoNow() + kExitTime);  // otherwise it is killed
  return std::move(images_);
}

Status PullSession::Check(PullerRequest request, Judge judge, const CancelToken& cancel) {
  request.operation = PullerRequest::Operation::kCheck;
  request.image_dir = store_.paths().images();
  request.records_dir = store_.paths().records();
  judge_ = std::move(judge);
  return Run(std::move(request), cancel).status();
}

Status PullSession::Serve(const CancelToken& cancel) {
  while (!done_) {
    JudgePace();
    const MonoTime until =
        pace_ ? std::min(cancel.deadline(), pace_->next_look()) : cancel.deadline();
    pollfd fds[] = {
        {socket_->get(), POLLIN, 0}, {mailbox_->fd(), POLLIN, 0}, {cancel.fd(), POLLIN, 0}};
    const int n = ::poll(fds, 3, PollTimeoutMs(until));
    if (n < 0 && errno != EINTR) return Errno("wait for crisp-pull");
    CRISP_RETURN_IF_ERROR(cancel.Check());
    if (n <= 0) continue;
    if (fds[1].revents != 0) CRISP_RETURN_IF_ERROR(DeliverLetters());
    if (fds[0].revents == 0) continue;
    const std::optional<Json> message = CRISP_TRY(socket_->Receive());
    if (!message) return DescribeDeath();
    CRISP_RETURN_IF_ERROR(HandleMessage(*message));
  }
  return OkStatus();
}

Status PullSession::DescribeDeath() {
  const auto status = child_.Wait(MonoNow() + kExitTime);
  if (!status.ok()) return Broken("it closed its socket");
  std::string words = LastWords();
  if (!words.empty()) words.insert(0, ": ");
  if (status->signal != 0) {
    return Internal("crisp-pull was killed by signal ", status->signal, words);
  }
  if (status->code == kPullerOutOfMemory) {
    return ResourceExhausted("crisp-pull needed more memory than it may use", words);
  }
  return Internal("crisp-pull ended with code ", status->code, " before it was done", words);
}

std::string PullSession::LastWords() {
  std::string text;
  std::array<char, 4096> chunk;
  // Bounded: what has left it may still write.
  while (errors_ && text.size() < (64u << 10)) {
    const ssize_t n = ::read(errors_.get(), chunk.data(), chunk.size());
    if (n <= 0) break;
    text.append(chunk.data(), static_cast<size_t>(n));
  }
  errors_.Reset();
  text = Trim(text);
  if (text.size() > kMaxLastWords) text.erase(0, text.size() - kMaxLastWords);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
  return text;
}

Status PullSession::HandleMessage(const Json& message) {
  const std::string type = CRISP_TRY(StringMember(message, "type"));
  if (type == "plan") return HandlePlan(message);
  if (type == "tied") return HandleTied(message);
  if (type == "progress") {
    progress_.bytes_received = CRISP_TRY(IntMember(message, "received"));
    held_ = std::chrono::microseconds(CRISP_TRY(IntMember(message, "held_us")));
    ReportProgress();
    return OkStatus();
  }
  if (type == "layer") return HandleLayer(message);
  if (type == "image") return HandleImage(message);
  if (type == "checked" && judge_) return judge_(CRISP_TRY(CheckedLayerFromJson(message)));
  if (type == "error") return ErrorFromJson(message);
  if (type != "done") return Broken("unknown message");
  done_ = true;
  return OkStatus();
}

Status PullSession::HandlePlan(const Json& message) {
  Plan plan;
  plan.diff_ids = CRISP_TRY(StringsMember(message, "diff_ids"));
  plan.chain_ids = CRISP_TRY(StringsMember(message, "chain_ids"));
  const Json* sizes = FindMember(message, "sizes");
  if (sizes == nullptr || !sizes->is_array()) return Broken("sizes in the plan");
  for (const Json& size : *sizes) {
    if (!size.is_number_integer()) return Broken("a size in the plan");
    plan.sizes.push_back(size.get<int64_t>());
  }
  if (plan.diff_ids.size() != plan.chain_ids.size() || plan.diff_ids.size() != plan.sizes.size()) {
    return Broken("plan");
  }
  for (const auto* ids : {&plan.diff_ids, &plan.chain_ids}) {
    for (const std::string& id : *ids) {
      if (!Digest::Parse(id).ok()) return Broken("a digest in the plan");
    }
  }
  plan.layers.resize(plan.diff_ids.size());
  plan_ = std::move(plan);
  progress_.layers_total += plan_.layers.size();
  for (size_t i = 0; i < plan_.diff_ids.size(); ++i) {
    if (LayerPtr layer = FindLayer(i)) {
      CRISP_RETURN_IF_ERROR(AnswerHave(i, std::move(layer)));
      continue;
    }
    if (!reservations_.Reserve(plan_.diff_ids[i], mailbox_, i)) continue;
    // Its owner may have finished between the two looks.
    if (LayerPtr layer = FindLayer(i)) {
      reservations_.Done(plan_.diff_ids[i], layer);
      CRISP_RETURN_IF_ERROR(AnswerHave(i, std::move(layer)));
    } else {
      plan_.wanted.insert(i);
      progress_.bytes_total += std::max<int64_t>(plan_.sizes[i], 0);
    }
  }
  ReportProgress();
  return GrantFetches();
}

LayerPtr PullSession::FindLayer(size_t index) const {
  return store_.FindLayer(plan_.diff_ids[index], plan_.chain_ids[index]);
}

void PullSession::ReportProgress() {
  if (options_.progress) options_.progress(progress_);
}

// crisp-pull itself does not count layers that wait for their parents, and neither do we.
Status PullSession::GrantFetches() {
  while (!plan_.wanted.empty() && plan_.granted.size() < held_slots_) {
    LayerAnswer answer;
    answer.layer = *plan_.wanted.begin();
    plan_.wanted.erase(answer.layer);
    // Its owner of before may have brought it while it waited here for a slot.
    if (LayerPtr layer = FindLayer(answer.layer)) {
      progress_.bytes_total -= std::max<int64_t>(plan_.sizes[answer.layer], 0);
      reservations_.Done(plan_.diff_ids[answer.layer], layer);
      CRISP_RETURN_IF_ERROR(AnswerHave(answer.layer, std::move(layer)));
      continue;
    }
    if (pace_ && plan_.granted.empty()) pace_->Restart(MonoNow(), Seen());
    plan_.granted.insert(answer.layer);
    CRISP_RETURN_IF_ERROR(SendAnswer(answer));
  }
  const auto most = static_cast<size_t>(std::max(1, options_.parallel_layers));
  if (!plan_.wanted.empty() && held_slots_ < most) slots_.AskForMore(mailbox_);
  GiveSlotsBack();
  return OkStatus();
}

void PullSession::GiveSlotsBack() {
  for (; held_slots_ > std::max<size_t>(1, plan_.granted.size()); --held_slots_) {
    slots_.GiveBack(mailbox_);
  }
}

void PullSession::JudgePace() {
  if (!pace_ || MonoNow() < pace_->next_look()) return;
  const bool unpacks = !plan_.granted.empty() && progress_.bytes_received >= progress_.bytes_total;
  const bool slow = pace_->IsSlow(MonoNow(), Seen(), unpacks);
  const bool was_slow = std::exchange(slow_, slow);
  if (slow != was_slow) slots_.SetSlow(mailbox_, slow);
  if (slow) YieldWanted();
  // What has been begun is fetched twice from here on: not for one hiccup.
  if (slow && was_slow) reservations_.PassOn(mailbox_);
}

void PullSession::YieldWanted() {
  std::erase_if(plan_.wanted, [this](size_t index) {
    if (!reservations_.Yield(plan_.diff_ids[index], mailbox_, index)) return false;
    progress_.bytes_total -= std::max<int64_t>(plan_.sizes[index], 0);  // until it comes back
    return true;
  });
}

Status PullSession::AnswerHave(size_t index, LayerPtr layer) {
  LayerAnswer answer;
  answer.layer = index;
  answer.have = true;
  answer.key = layer->key;
  answer.opaque_root = layer->opaque_root;
  if (plan_.layers[index] == nullptr) ++progress_.layers_ready;
  plan_.layers[index] = std::move(layer);
  return SendAnswer(answer);
}

// When crisp-pull has ended meanwhile, what it said before is still to be read.
Status PullSession::SendAnswer(const LayerAnswer& answer) {
  Status status = socket_->Send(ToJson(answer));
  const bool ended = status.sys_errno() == EPIPE || status.sys_errno() == ECONNRESET;
  return ended ? OkStatus() : status;
}

Status PullSession::DeliverLetters() {
  for (Mailbox::Letter& letter : mailbox_->Take()) {
    if (letter.index == TransferSlots::kOneMore) ++held_slots_;
    if (letter.index >= plan_.layers.size()) continue;  // that; or of an earlier image
    if (letter.layer != nullptr) {
      CRISP_RETURN_IF_ERROR(AnswerHave(letter.index, std::move(letter.layer)));
    } else if (plan_.layers[letter.index] == nullptr) {
      plan_.wanted.insert(letter.index);
      progress_.bytes_total += std::max<int64_t>(plan_.sizes[letter.index], 0);
    }
  }
  ReportProgress();
  return GrantFetches();
}

Status PullSession::HandleTied(const Json& message) {
  const int64_t index = CRISP_TRY(IntMember(message, "layer"));
  if (index < 0 || static_cast<size_t>(index) >= plan_.diff_ids.size()) return Broken("tied");
  reservations_.GiveUp(plan_.diff_ids[static_cast<size_t>(index)], mailbox_);
  plan_.granted.erase(static_cast<size_t>(index));
  return GrantFetches();
}

// Names from crisp-pull must be plain: they become parts of paths.
Result<std::string> PullSession::OwnDirectory(const std::string& name) const {
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
    return Broken("a directory name");
  }
  return Cat(directory_, '/', name);
}

Status PullSession::HandleLayer(const Json& message) {
  const LayerReport report = CRISP_TRY(LayerReportFromJson(message));
  if (report.layer >= plan_.layers.size() || report.size_bytes < 0 || report.inodes < 0) {
    return Broken("layer");
  }
  const std::string directory = CRISP_TRY(OwnDirectory(report.dir));
  const std::string& diff_id = plan_.diff_ids[report.layer];
  Layer layer;
  layer.key = report.tied ? TiedLayerKey(plan_.chain_ids[report.layer]) : FreeLayerKey(diff_id);
  layer.diff_id = diff_id;
  layer.tied = report.tied;
  layer.opaque_root = report.opaque_root;
  layer.size_bytes = report.size_bytes;
  layer.inodes = report.inodes;
  LayerPtr added = CRISP_TRY(store_.AddLayer(layer, directory + "/fs"));
  if (!report.tied) reservations_.Done(diff_id, added);
  plan_.granted.erase(report.layer);
  CRISP_RETURN_IF_ERROR(AnswerHave(report.layer, std::move(added)));
  ReportProgress();
  return GrantFetches();
}

Status PullSession::HandleImage(const Json& message) {
  NewImage image;
  image.report = CRISP_TRY(ImageReportFromJson(message));
  const auto id = Digest::Parse(image.report.id);
  if (!id.ok() || id->algorithm() != "sha256") return Broken("image id");
  if (!image.report.resolved_digest.empty() && !Digest::Parse(image.report.resolved_digest).ok()) {
    return Broken("resolved digest");
  }
  if (image.report.content_bytes < 0) return Broken("content size");
  if (std::count(plan_.layers.begin(), plan_.layers.end(), nullptr) > 0) {
    return Broken("an image without all its layers");
  }
  image.source_dir = CRISP_TRY(OwnDirectory(image.report.dir));
  image.layers = std::exchange(plan_.layers, {});
  if (!plan_.chain_ids.empty()) image.chain_id = plan_.chain_ids.back();
  images_.push_back(std::move(image));
  return OkStatus();
}

}  // namespace crisp::image
