// Making the entries of the table of settings; for the sources that hold parts of it.
//
// Threads: free functions, called once.
#ifndef CRISP_SERVER_CONFIG_SETTING_MAKE_H_
#define CRISP_SERVER_CONFIG_SETTING_MAKE_H_

#include <string>
#include <utility>
#include <vector>

#include "server/config/codec.h"
#include "server/config/settings.h"

namespace crisp::config {

inline constexpr bool kReloadable = true;
inline constexpr bool kRestart = false;

// `field` finds the storage: T& (Config&, const std::string& name).
template <typename T, typename Field>
Setting Make(std::string key, Codec<T> codec, bool reloadable, std::string help, Field field,
             std::string default_words = {}) {
  Setting out;
  out.key = std::move(key);
  out.type = codec.type;
  out.default_words = std::move(default_words);
  out.reloadable = reloadable;
  out.help = std::move(help);
  out.parse = [parse = codec.parse, field](const Value& value, const std::string& name,
                                           Config* config) -> Status {
    field(*config, name) = CRISP_TRY(parse(value));
    return OkStatus();
  };
  out.print = [print = codec.print, field](const Config& config, const std::string& name) {
    return print(field(const_cast<Config&>(config), name));  // read only
  };
  return out;
}

// Shorthand for the lambdas of the table: CRISP_FIELD(log.level) is config.log.level.
#define CRISP_FIELD(path) \
  [](Config & c, const std::string&) -> auto& { return c.path; }
#define CRISP_NAMED_FIELD(map, path) \
  [](Config & c, const std::string& name) -> auto& { return c.map.at(name).path; }

// settings_devices.cc: what handlers, vendors and node owners add to containers.
void AddHandlers(std::vector<Setting>* out);
void AddDevices(std::vector<Setting>* out);

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_SETTING_MAKE_H_
