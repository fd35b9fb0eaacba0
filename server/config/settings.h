// The table of settings: the one place that says which keys there are.
//
// What:    each Setting is a key with its type, help, reloadability and how it is read into and
//          printed from a Config. Parsing, `crisp config show`, the default file and the list of
//          what a reload changes are all walks over this table.
// Threads: the table is constant after its first use.
#ifndef CRISP_SERVER_CONFIG_SETTINGS_H_
#define CRISP_SERVER_CONFIG_SETTINGS_H_

#include <functional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "server/config/config.h"
#include "server/config/value.h"

namespace crisp::config {

struct Setting {
  std::string key;   // "image.registries.*.mirrors"; '*' stands for a name that the user chose
  std::string type;  // for people
  std::string default_words;  // when the default is computed: "<state>/crisp.sock"
  bool reloadable = false;
  std::string help;
  // `name` is what stands for '*'; that entry exists.
  std::function<Status(const Value&, const std::string& name, Config*)> parse;
  std::function<Value(const Config&, const std::string& name)> print;
};

// A key whose value is a map of further keys.
struct Section {
  std::string key;
  std::string help;
  // For a map of named entries ("runtimes", "image.registries"): the names that there are, and
  // making one. Null for a plain section.
  std::function<std::vector<std::string>(const Config&)> names;
  std::function<Status(const std::string& name, Config*)> add;
  std::string example;  // a name for documentation

  bool is_named() const { return names != nullptr; }
};

const std::vector<Setting>& Settings();
const std::vector<Section>& Sections();
// nullptr: there is none.
const Setting* FindSetting(std::string_view key);
const Section* FindSection(std::string_view key);

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_SETTINGS_H_
