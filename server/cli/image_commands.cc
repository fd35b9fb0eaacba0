#include "server/cli/image_commands.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <thread>

#include "base/core/file.h"
#include "base/core/unique_fd.h"
#include "server/cli/client.h"
#include "server/cli/output.h"
#include "server/cli/table.h"

namespace crisp::cli {
namespace {

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();
constexpr size_t kIdDigits = 13;
constexpr int kRedrawMs = 200;
constexpr size_t kMaxPasswordBytes = 64 << 10;
const CallOptions kAsLongAsItTakes = {.timeout = Duration::zero()};

std::string ShortId(const std::string& id) { return id.substr(id.find(':') + 1, kIdDigits); }

Result<int> RunList(const Parsed& parsed) {
  Client client(CRISP_TRY(FindSocket(parsed)));
  const v1::ListImagesResponse images = CRISP_TRY(client.ListImages());
  if (parsed.Has("--json")) {
    CRISP_RETURN_IF_ERROR(PrintJson(images));
    return 0;
  }
  Table table({"IMAGE", "ID", "SIZE", "PINNED"});
  for (const v1::Image& image : images.images()) {
    const auto add = [&](const std::string& name) {
      table.Add({name, ShortId(image.id()), HumanSize(image.size()), image.pinned() ? "yes" : ""});
    };
    for (const std::string& tag : image.repo_tags()) add(tag);
    if (image.repo_tags_size() > 0) continue;
    for (const std::string& digest : image.repo_digests()) add(digest);
    if (image.repo_digests_size() == 0) add("(no name)");
  }
  Print(table.ToText());
  return 0;
}

Result<v1::ImageStatusResponse> GetImage(Client& client, const std::string& name, bool verbose) {
  v1::ImageStatusResponse out = CRISP_TRY(client.ImageStatus(name, verbose));
  if (!out.has_image()) return NotFound("no image ", name, "; crisp image ls shows what there is");
  return out;
}

Result<int> RunInspect(const Parsed& parsed) {
  Client client(CRISP_TRY(FindSocket(parsed)));
  const v1::ImageStatusResponse status = CRISP_TRY(GetImage(client, parsed.words[0], true));
  if (parsed.Has("--json")) {
    CRISP_RETURN_IF_ERROR(PrintJson(status));
    return 0;
  }
  const v1::Image& image = status.image();
  Table table({"", ""});
  table.Add({"id", image.id()});
  for (const std::string& tag : image.repo_tags()) table.Add({"tag", tag});
  for (const std::string& digest : image.repo_digests()) table.Add({"digest", digest});
  table.Add({"size", HumanSize(image.size())});
  if (image.pinned()) table.Add({"pinned", "yes"});
  if (image.has_uid()) table.Add({"user", Cat(image.uid().value())});
  if (!image.username().empty()) table.Add({"user", image.username()});
  const std::string text = table.ToText();
  Print(text.substr(text.find('\n') + 1));
  if (const auto info = status.info().find("info"); info != status.info().end()) {
    Print(Cat("config  ", info->second, '\n'));
  }
  return 0;
}

Result<int> RunRemove(const Parsed& parsed) {
  Client client(CRISP_TRY(FindSocket(parsed)));
  int code = 0;
  for (const std::string& name : parsed.words) {
    const Result<v1::ImageStatusResponse> found = GetImage(client, name, false);
    const Status status = found.ok() ? client.RemoveImage(found->image().id()) : found.status();
    if (status.ok()) {
      Print(Cat("removed ", found->image().id(), '\n'));
      continue;
    }
    std::fprintf(stderr, "crisp: %s\n", status.message().c_str());
    code = kFailureExit;
  }
  return code;
}

Result<int> RunImport(const Parsed& parsed) {
  char resolved[PATH_MAX];
  const std::string& path = parsed.words[0];
  if (::realpath(path.c_str(), resolved) == nullptr) return Errno("import ", path);
  Client client(CRISP_TRY(FindSocket(parsed)));
  const admin::ImportImageResponse response = CRISP_TRY(
      client.ImportImage(resolved, parsed.Get("--name"), kAsLongAsItTakes).Wrap("import ", path));
  for (const std::string& id : response.image_ids()) Print(id + "\n");
  return 0;
}

Result<int> RunExport(const Parsed& parsed) {
  std::string path = parsed.words[1];
  if (!path.starts_with('/')) {
    char here[PATH_MAX];
    if (::getcwd(here, sizeof(here)) == nullptr) return Errno("working directory");
    path = Cat(here, '/', path);
  }
  Client client(CRISP_TRY(FindSocket(parsed)));
  CRISP_RETURN_IF_ERROR(client.ExportImage(parsed.words[0], path, kAsLongAsItTakes));
  Print(path + "\n");
  return 0;
}

// Draws while a call runs; leaves an empty line behind.
class ProgressDisplay {
 public:
  ProgressDisplay(const std::string& socket, std::string image)
      : client_(socket), image_(std::move(image)), end_(::eventfd(0, EFD_CLOEXEC)) {
    if (end_ && ::isatty(STDERR_FILENO) == 1) thread_ = std::thread([this] { Draw(); });
  }
  ~ProgressDisplay() {
    if (!thread_.joinable()) return;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(end_.get(), &one, sizeof(one));
    thread_.join();
    std::fputs("\r\033[K", stderr);
  }

 private:
  void Draw() {
    pollfd wait = {end_.get(), POLLIN, 0};
    while (::poll(&wait, 1, kRedrawMs) == 0) {
      const Result<admin::ListPullsResponse> pulls = client_.ListPulls();
      if (!pulls.ok()) return;  // the pull itself will say what is wrong
      for (const admin::Pull& pull : pulls->pulls()) {
        if (pull.requested() != image_) continue;
        winsize size{};
        ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
        const size_t columns = size.ws_col > 20 ? size.ws_col - 1u : 79u;
        std::fprintf(stderr, "\r\033[K%s", ProgressLine(pull, columns).c_str());
        break;
      }
    }
  }

  Client client_;
  const std::string image_;
  const UniqueFd end_;
  std::thread thread_;  // last: it uses the others
};

Result<int> RunPull(const Parsed& parsed) {
  const std::string socket = CRISP_TRY(FindSocket(parsed));
  const std::string& image = parsed.words[0];
  v1::PullImageRequest request;
  request.mutable_image()->set_image(image);
  if (parsed.Has("--username")) {
    // Not an argument: every user of the machine can read those.
    std::string password = CRISP_TRY(ReadAll(STDIN_FILENO, kMaxPasswordBytes).Wrap("password"));
    while (password.ends_with('\n') || password.ends_with('\r')) password.pop_back();
    request.mutable_auth()->set_username(parsed.Get("--username"));
    request.mutable_auth()->set_password(password);
  }
  Client client(socket);
  const auto pull = [&] {
    const ProgressDisplay display(socket, image);
    return client.PullImage(request, kAsLongAsItTakes);
  };
  Print(CRISP_TRY(pull()).image_ref() + "\n");
  return 0;
}

void PrintDamaged(const admin::DamagedLayer& layer) {
  std::string images;
  for (const std::string& name : layer.images()) images += Cat(images.empty() ? "" : ", ", name);
  Print(
      Cat(layer.repaired() ? "repaired " : "DAMAGED  ", layer.diff_id(), "\n  of ", images, '\n'));
  for (const std::string& line : layer.differences()) Print(Cat("  ", line, '\n'));
  const uint64_t more = layer.difference_count() - static_cast<uint64_t>(layer.differences_size());
  if (more > 0) Print(Cat("  and ", more, " more\n"));
  if (!layer.repair_error().empty()) Print(Cat("  not repaired: ", layer.repair_error(), '\n'));
}

void PrintDamaged(const admin::DamagedImage& image) {
  Print(Cat(image.repaired() ? "repaired " : "DAMAGED  ", image.name(), "\n  ", image.difference(),
            '\n'));
  if (!image.repair_error().empty()) Print(Cat("  not repaired: ", image.repair_error(), '\n'));
}

Result<int> RunCheck(const Parsed& parsed) {
  Client client(CRISP_TRY(FindSocket(parsed)));
  const bool repair = parsed.Has("--repair");
  const admin::CheckImagesResponse report = CRISP_TRY(client.CheckImages(repair, kAsLongAsItTakes));
  const auto is_bad = [](const auto& one) { return !one.repaired(); };
  const bool good =
      std::none_of(report.damaged().begin(), report.damaged().end(), is_bad) &&
      std::none_of(report.damaged_images().begin(), report.damaged_images().end(), is_bad) &&
      std::all_of(report.strangers().begin(), report.strangers().end(),
                  [](const admin::Stranger& one) { return one.removed(); });
  if (parsed.Has("--json")) {
    CRISP_RETURN_IF_ERROR(PrintJson(report));
    return good ? 0 : 1;
  }
  for (const admin::DamagedLayer& layer : report.damaged()) PrintDamaged(layer);
  for (const admin::DamagedImage& image : report.damaged_images()) PrintDamaged(image);
  for (const admin::Stranger& stranger : report.strangers()) {
    Print(Cat(stranger.removed() ? "removed  " : "STRANGE  ", stranger.path(),
              "\n  no image has it\n"));
    if (!stranger.removal_error().empty()) {
      Print(Cat("  not removed: ", stranger.removal_error(), '\n'));
    }
  }
  const int damaged = report.damaged_size() + report.damaged_images_size();
  Print(Cat(report.images_checked(), " images and ", report.layers_checked(), " layers checked, ",
            damaged, " damaged",
            damaged == 0 || repair
                ? ""
                : "; their images are quarantined: --repair or the next pull makes them anew",
            '\n'));
  if (report.layers_without_record() > 0) {
    Print(Cat(report.layers_without_record(),
              " layers have no record (unpacked by an older crisp) and were not checked\n"));
  }
  return good ? 0 : 1;
}

Result<int> RunCollect(const Parsed& parsed) {
  Client client(CRISP_TRY(FindSocket(parsed)));
  const admin::CollectImagesResponse collected = CRISP_TRY(client.CollectImages(kAsLongAsItTakes));
  if (parsed.Has("--json")) {
    CRISP_RETURN_IF_ERROR(PrintJson(collected));
    return 0;
  }
  Print(Cat(collected.layers(), " unused layers deleted, ", HumanSize(collected.bytes()), '\n'));
  return 0;
}

}  // namespace

std::string ProgressLine(const admin::Pull& pull, size_t columns) {
  if (pull.layers_total() == 0) return "looking for the manifest";
  const auto total = static_cast<uint64_t>(std::max<int64_t>(pull.bytes_total(), 0));
  const auto received =
      std::min(static_cast<uint64_t>(std::max<int64_t>(pull.bytes_received(), 0)), total);
  const std::string layers = Cat(pull.layers_ready(), '/', pull.layers_total(), " layers  ");
  const std::string bytes = Cat("  ", HumanSize(received), " of ", HumanSize(total));
  if (layers.size() + bytes.size() + 12 > columns) return (layers + bytes).substr(0, columns);
  const size_t width = std::min<size_t>(columns - layers.size() - bytes.size() - 2, 40);
  const size_t full = total == 0 ? 0 : static_cast<size_t>(received * width / total);
  std::string bar(width, ' ');
  std::fill_n(bar.begin(), full, '=');
  if (full > 0 && full < width) bar[full] = '>';
  return Cat(layers, '[', bar, ']', bytes);
}

void AddImageCommands(std::vector<Command>* out) {
  out->push_back(MakeCommand(
      "image pull", "IMAGE", "an image from its registry",
      {{"--username", "NAME", "user of the registry; the password comes from stdin", false},
       kSocket,
       kConfig},
      1, 1, RunPull));
  out->push_back(
      MakeCommand("image ls", "", "images in the store", {kJson, kSocket, kConfig}, 0, 0, RunList));
  out->push_back(MakeCommand("image inspect", "IMAGE", "names, size and configuration of an image",
                             {kJson, kSocket, kConfig}, 1, 1, RunInspect));
  out->push_back(MakeCommand("image rm", "IMAGE...", "remove images, with all their names",
                             {kSocket, kConfig}, 1, kNoLimit, RunRemove));
  out->push_back(MakeCommand(
      "image import", "PATH", "an OCI layout, OCI archive or docker archive into the store",
      {{"--name", "REFERENCE", "name of the image (default: in the archive)", false},
       kSocket,
       kConfig},
      1, 1, RunImport));
  out->push_back(MakeCommand("image export", "IMAGE FILE",
                             "an image as an OCI archive; it gets a new id by that",
                             {kSocket, kConfig}, 2, 2, RunExport));
  out->push_back(MakeCommand(
      "image check", "", "find layers that are not as they were unpacked; exit 1 when there are",
      {{"--repair", "", "pull their images anew", false}, kJson, kSocket, kConfig}, 0, 0,
      RunCheck));
  out->push_back(MakeCommand("image gc", "", "delete layers that nothing uses, now",
                             {kJson, kSocket, kConfig}, 0, 0, RunCollect));
}

}  // namespace crisp::cli
