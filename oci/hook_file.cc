#include "oci/hook_file.h"

#include <regex.h>

#include <algorithm>
#include <charconv>

#include "oci/hook_json.h"

namespace crisp::oci {

struct ExtendedRegex::Compiled {
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    if (good) ::regfree(&expression);
  }

  regex_t expression{};
  bool good = false;
};

namespace {

constexpr size_t kLongestPattern = 1024;
constexpr int64_t kMostRepeats = 1000;

// Repetitions multiply ("(a{100}){100}"), and glibc writes each of them out.
bool RepeatsTooOften(const std::string& pattern) {
  int64_t product = 1;
  for (size_t at = pattern.find('{'); at != std::string::npos; at = pattern.find('{', at + 1)) {
    int64_t largest = 1;
    const char* text = pattern.data() + at + 1;
    const char* const end = pattern.data() + pattern.size();
    for (int bound = 0; bound < 2 && text < end; ++bound) {
      int64_t number = 0;
      const auto [next, error] = std::from_chars(text, end, number);
      if (error == std::errc::result_out_of_range) return true;
      if (error == std::errc()) largest = std::max(largest, number);
      if (next == end || *next != ',') break;
      text = next + 1;
    }
    product *= largest;
    if (product > kMostRepeats) return true;
  }
  return false;
}

Result<ExtendedRegex> CompileAt(const JsonObject& object, std::string_view key,
                                const std::string& pattern) {
  auto compiled = ExtendedRegex::Compile(pattern);
  if (!compiled.ok()) return object.Wrong(key, compiled.status().message());
  return compiled;
}

Status ParseWhen(const JsonObject& when, HookFile* out) {
  if (when.Has("always")) out->always = CRISP_TRY(when.Flag("always"));
  if (when.Has("hasBindMounts")) out->has_bind_mounts = CRISP_TRY(when.Flag("hasBindMounts"));
  for (const std::string& pattern : CRISP_TRY(when.Texts("commands"))) {
    out->commands.push_back(CRISP_TRY(CompileAt(when, "commands", pattern)));
  }
  for (const auto& [key, value] : CRISP_TRY(when.TextMap("annotations"))) {
    out->annotations.emplace_back(CRISP_TRY(CompileAt(when, "annotations", key)),
                                  CRISP_TRY(CompileAt(when, "annotations", value)));
  }
  if (out->always || out->has_bind_mounts || !out->commands.empty() || !out->annotations.empty()) {
    return OkStatus();
  }
  return InvalidArgument(
      "when: no condition; allowed: always, annotations, commands, hasBindMounts");
}

}  // namespace

Result<ExtendedRegex> ExtendedRegex::Compile(const std::string& pattern) {
  if (pattern.size() > kLongestPattern || RepeatsTooOften(pattern)) {
    return InvalidArgument("a pattern is too long; allowed: ", kLongestPattern, " bytes and ",
                           kMostRepeats, " repetitions");
  }
  auto compiled = std::make_shared<Compiled>();
  const int failed = ::regcomp(&compiled->expression, pattern.c_str(), REG_EXTENDED | REG_NOSUB);
  if (failed != 0) {
    char why[256] = "";
    ::regerror(failed, &compiled->expression, why, sizeof(why));
    return InvalidArgument("'", pattern, "': ", why,
                           "; allowed: a POSIX extended regular expression");
  }
  compiled->good = true;
  ExtendedRegex out;
  out.compiled_ = std::move(compiled);
  return out;
}

bool ExtendedRegex::Matches(const std::string& text) const {
  return ::regexec(&compiled_->expression, text.c_str(), 0, nullptr, 0) == 0;
}

bool HookFile::Matches(const HookSubject& subject) const {
  if (always && !*always) return false;
  // false says nothing: oci-hooks(5) knows this condition as "is true" alone.
  if (has_bind_mounts && *has_bind_mounts && !subject.has_bind_mounts) return false;
  if (!commands.empty() &&
      std::none_of(commands.begin(), commands.end(), [&subject](const ExtendedRegex& pattern) {
        return pattern.Matches(subject.command);
      })) {
    return false;
  }
  return std::all_of(annotations.begin(), annotations.end(), [&subject](const auto& patterns) {
    return std::any_of(subject.annotations.begin(), subject.annotations.end(),
                       [&patterns](const auto& annotation) {
                         return patterns.first.Matches(annotation.first) &&
                                patterns.second.Matches(annotation.second);
                       });
  });
}

Result<HookFile> ParseHookFile(const std::string& json) {
  const nlohmann::json document = CRISP_TRY(ParseJson(json));
  const JsonObject object =
      CRISP_TRY(JsonObject::Open(document, "", {"version", "hook", "when", "stages"}));
  const std::string version = CRISP_TRY(object.GetText("version"));
  if (version != "1.0.0") return object.Wrong("version", "'", version, "': allowed: 1.0.0");
  for (const char* key : {"hook", "when"}) {
    if (!object.Has(key)) return object.Wrong(key, "is missing");
  }
  HookFile out;
  out.hook = CRISP_TRY(ParseHook(CRISP_TRY(
      JsonObject::Open(*object.Find("hook"), "hook", {"path", "args", "env", "timeout"}))));
  const JsonObject when = CRISP_TRY(JsonObject::Open(
      *object.Find("when"), "when", {"always", "annotations", "commands", "hasBindMounts"}));
  CRISP_RETURN_IF_ERROR(ParseWhen(when, &out));
  for (const std::string& name : CRISP_TRY(object.Texts("stages"))) {
    const std::optional<HookStage> stage = FindHookStage(name);
    if (!stage) {
      return object.Wrong("stages", "'", name,
                          "': allowed: prestart, createRuntime, createContainer, "
                          "startContainer, poststart, poststop");
    }
    if (std::find(out.stages.begin(), out.stages.end(), *stage) == out.stages.end()) {
      out.stages.push_back(*stage);
    }
  }
  if (out.stages.empty()) return object.Wrong("stages", "is missing or empty");
  return out;
}

}  // namespace crisp::oci
