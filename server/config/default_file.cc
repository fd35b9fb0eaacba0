// The commented default file, from the table of settings.
#include <algorithm>

#include "server/config/load.h"
#include "server/config/settings.h"

namespace crisp::config {
namespace {

void CommentBlock(const std::string& pad, const std::string& text, std::string* out) {
  constexpr size_t kWidth = 96;
  std::string line = Cat("##", pad);
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (line.size() + 1 + (end - begin) > kWidth) {
      *out += Cat(line, '\n');
      line = Cat("##", pad);
    }
    line += Cat(' ', text.substr(begin, end - begin));
    begin = end + 1;
  }
  *out += Cat(line, '\n');
}

// A YAML text as comment lines.
std::string CommentedOut(const std::string& yaml) {
  std::string out;
  size_t begin = 0;
  while (begin < yaml.size()) {
    const size_t end = yaml.find('\n', begin);
    out += Cat('#', yaml.substr(begin, end - begin), '\n');
    begin = end + 1;
  }
  return out;
}

std::string Help(const Setting& setting) {
  return Cat(setting.help, " [", setting.type, setting.reloadable ? "; reloadable]" : "]",
             setting.default_words.empty() ? "" : " Default: ", setting.default_words,
             setting.default_words.empty() ? "" : ".");
}

// Only lists what is directly a setting below `section`; returns its lines.
void AppendDefaults(const std::string& section, int level, const Config& defaults,
                    std::string* out) {
  const std::string pad(static_cast<size_t>(level) * 2, ' ');
  const std::string prefix = section.empty() ? "" : Cat(section, '.');
  for (const Setting& setting : Settings()) {
    if (!setting.key.starts_with(prefix)) continue;
    const std::string name = setting.key.substr(prefix.size());
    if (name.find('.') != std::string::npos) continue;
    CommentBlock(pad, Help(setting), out);
    if (!setting.default_words.empty()) {
      *out += Cat('#', pad, name, ": null\n");
      continue;
    }
    const Section* named = FindSection(section.substr(0, section.rfind(".*")));
    Value one = Value::Map();
    one.Add(name, setting.print(defaults, named ? named->example : ""));
    *out += CommentedOut(ToYaml(one, level));
  }
  for (const Section& child : Sections()) {
    if (!child.key.starts_with(prefix)) continue;
    const std::string name = child.key.substr(prefix.size());
    if (name.find('.') != std::string::npos) continue;
    *out += level == 0 ? "\n" : "";
    CommentBlock(pad, child.help, out);
    *out += Cat('#', pad, name, ":\n");
    if (!child.is_named()) {
      AppendDefaults(child.key, level + 1, defaults, out);
      continue;
    }
    // A name is not a default: two marks keep it an explanation.
    std::string entry = Cat('#', pad, "  ", YamlScalar(Value::String(child.example)), ":\n");
    AppendDefaults(Cat(child.key, ".*"), level + 2, defaults, &entry);
    for (size_t begin = 0; begin < entry.size();) {
      const size_t end = entry.find('\n', begin);
      const std::string line = entry.substr(begin, end - begin);
      *out += Cat(line.starts_with("##") ? line : Cat("##", line.substr(1)), '\n');
      begin = end + 1;
    }
  }
}

}  // namespace

std::string DefaultFile() {
  std::string out =
      "## crisp's configuration with every key and its default: `crisp config default` prints it.\n"
      "## Remove the first '#' of a line (and of the lines above it that it is indented below) to\n"
      "## change a setting; of the lines of an example entry (crun, registry.example) remove "
      "both.\n"
      "## Files in conf.d beside this one are read afterwards in lexical order; they win, and "
      "maps\n"
      "## are merged. null stands for the default. SIGHUP makes crispd read the files again: what "
      "is\n"
      "## marked reloadable takes effect, all of it or, after a mistake, none.\n"
      "\n";
  Config defaults;
  for (const Section& section : Sections()) {
    // Named entries do not exist by default; the documentation shows one.
    if (section.is_named() && !section.add(section.example, &defaults).ok()) return {};
  }
  AppendDefaults("", 0, defaults, &out);
  return out;
}

}  // namespace crisp::config
