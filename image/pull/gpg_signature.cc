#include "image/pull/gpg_signature.h"

#include <fcntl.h>

#include <map>

#include "base/base64.h"
#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "image/policy/signed_claim.h"

namespace crisp::image {
namespace {

constexpr std::string_view kBegin = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
constexpr std::string_view kEnd = "-----END PGP PUBLIC KEY BLOCK-----";
constexpr std::string_view kStatusPrefix = "[GNUPG:] ";
constexpr size_t kStatusLimit = 64u << 10;
constexpr auto kTime = std::chrono::seconds(30);

Status NoKeys() {
  return InvalidArgument("no OpenPGP public keys; allowed: binary, or armoured (", kBegin, ")");
}

// One armoured block: headers up to an empty line, base64, "=" with a checksum that RFC 9580
// section 6.1 tells us to ignore.
Status AppendBlock(std::string_view block, std::string* out) {
  std::string base64;
  bool in_headers = true;
  while (!block.empty()) {
    const size_t end = block.find('\n');
    const std::string_view line = Trim(block.substr(0, end));
    block = end == std::string_view::npos ? std::string_view() : block.substr(end + 1);
    if (in_headers && line.find(':') != std::string_view::npos) continue;
    in_headers = false;
    if (line.starts_with('=')) break;
    base64 += line;
  }
  const auto bytes = DecodeBase64(base64);
  if (!bytes || bytes->empty()) return InvalidArgument("the armour of a public key is damaged");
  *out += *bytes;
  return OkStatus();
}

// What a bad signature is called. GnuPG doc/DETAILS, "Signature related status codes".
const std::map<std::string_view, std::string_view>& Refusals() {
  static const std::map<std::string_view, std::string_view> refusals = {
      {"BADSIG", "the signature is wrong: the signed text or the signature was changed"},
      {"ERRSIG", "the signature is not by a key of the policy"},
      {"EXPSIG", "the signature has expired"},
      {"EXPKEYSIG", "the key that signed has expired"},
      {"REVKEYSIG", "the key that signed was revoked"},
      {"NODATA", "not an OpenPGP signed message"},
      {"UNEXPECTED", "not an OpenPGP signed message"},
  };
  return refusals;
}

Status Refused(std::string_view why) { return Status(Code::kPermissionDenied, std::string(why)); }

// The file that gpgv reads keys from, in a directory that goes with this object.
class KeyFile {
 public:
  static Result<KeyFile> Make(const std::string& keys, const std::string& tmp_dir) {
    std::string dir = tmp_dir + "/gpgv-XXXXXX";
    if (::mkdtemp(dir.data()) == nullptr) return Errno("make a directory in ", tmp_dir);
    KeyFile out(std::move(dir));
    CRISP_RETURN_IF_ERROR(WriteFile(out.path(), keys, 0600));
    return out;
  }
  KeyFile(KeyFile&& other) noexcept : dir_(std::exchange(other.dir_, {})) {}
  KeyFile& operator=(KeyFile&&) = delete;
  ~KeyFile() {
    if (!dir_.empty()) (void)RemoveTreeAt(dir_);  // the pull's directory goes anyway
  }
  const std::string& dir() const { return dir_; }
  std::string path() const { return dir_ + "/keys.gpg"; }

 private:
  explicit KeyFile(std::string dir) : dir_(std::move(dir)) {}
  std::string dir_;
};

}  // namespace

Result<std::string> DearmorKeys(std::string_view text) {
  // RFC 4880 section 4.2: the first bit of every packet is set.
  if (!text.empty() && (static_cast<unsigned char>(text[0]) & 0x80) != 0) {
    return std::string(text);
  }
  std::string out;
  for (size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin)) {
    text.remove_prefix(at + kBegin.size());
    const size_t end = text.find(kEnd);
    if (end == std::string_view::npos) return InvalidArgument("a public key is cut off");
    // The line of the mark ends first.
    std::string_view block = text.substr(0, end);
    const size_t line = block.find('\n');
    if (line == std::string_view::npos) return InvalidArgument("a public key is cut off");
    CRISP_RETURN_IF_ERROR(AppendBlock(block.substr(line + 1), &out));
    text.remove_prefix(end + kEnd.size());
  }
  if (out.empty()) return NoKeys();
  return out;
}

Status JudgeGpgStatus(std::string_view lines) {
  std::map<std::string, int, std::less<>> seen;
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    std::string_view line = lines.substr(0, end);
    lines = end == std::string_view::npos ? std::string_view() : lines.substr(end + 1);
    if (!line.starts_with(kStatusPrefix)) continue;
    line.remove_prefix(kStatusPrefix.size());
    ++seen[std::string(line.substr(0, line.find(' ')))];
  }
  for (const auto& [word, why] : Refusals()) {
    if (seen.contains(word)) return Refused(why);
  }
  if (seen["GOODSIG"] != 1 || seen["VALIDSIG"] != 1 || seen["NEWSIG"] != 1) {
    return Refused("gpgv found no good signature, or several");
  }
  if (seen["PLAINTEXT"] != 1) return Refused("not one text with its signature");
  return OkStatus();
}

Result<std::string> OpenSignedMessage(const std::string& message,
                                      const std::vector<std::string>& keyrings,
                                      const std::string& tmp_dir) {
  std::string keys;
  for (const std::string& keyring : keyrings) keys += CRISP_TRY(DearmorKeys(keyring));
  const KeyFile file = CRISP_TRY(KeyFile::Make(keys, tmp_dir));
  const UniqueFd nowhere = CRISP_TRY(OpenFile("/dev/null", O_WRONLY));
  RunOptions run;
  // Status lines alone on stderr: gpgv's own words go nowhere, they repeat names of keys.
  run.argv = {"gpgv", "--homedir",   file.dir(), "--keyring", file.path(), "--status-fd",
              "2",    "--logger-fd", "3",        "--output",  "-",         "-"};
  run.env = {"LC_ALL=C", kDefaultPath};
  run.fds = {{nowhere.get(), 3}};
  run.working_directory = "/";
  run.new_session = true;
  run.stdin_data = message;
  run.deadline = MonoNow() + kTime;
  run.stdout_limit_bytes = kMaxClaimBytes;  // a compressed message may be a bomb
  run.stderr_limit_bytes = kStatusLimit;
  const Result<RunOutput> output = Run(run);
  if (!output.ok()) {
    if (output.status().sys_errno() == ENOENT) {
      return FailedPrecondition("no gpgv on this machine: install the package gpgv (GnuPG)");
    }
    switch (output.status().code()) {
      case Code::kResourceExhausted:  // it says or takes too much
      case Code::kDeadlineExceeded:
        return Refused(output.status().message());
      default:
        return output.status();
    }
  }
  if (output->stderr_data.size() >= kStatusLimit) return Refused("gpgv says too much");
  CRISP_RETURN_IF_ERROR(JudgeGpgStatus(output->stderr_data));
  if (output->status.signal != 0 || output->status.code != 0) {
    return Refused(Cat("gpgv ended with code ", output->status.code));
  }
  return output->stdout_data;
}

}  // namespace crisp::image
