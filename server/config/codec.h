// Codecs: how a configuration value of each type is read, checked and printed.
//
// Errors: kInvalidArgument "'<value>': allowed: ..."; the caller adds file, line and key.
// Units:  sizes are written with B, KiB, MiB or GiB, durations with ms, s, m or h; a bare number is
//         refused, because it does not say what it means.
#ifndef CRISP_SERVER_CONFIG_CODEC_H_
#define CRISP_SERVER_CONFIG_CODEC_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "server/config/value.h"

namespace crisp::config {

template <typename T>
struct Codec {
  std::string type;  // for people: "size", "text | json"
  std::function<Result<T>(const Value&)> parse;
  std::function<Value(const T&)> print;
};

// The value's text, or an error when it is not a scalar.
Result<std::string> ScalarText(const Value& value);

Codec<std::string> TextCodec(std::string type = "text");
Codec<std::string> AbsolutePathCodec();
// An absolute path or `word`.
Codec<std::string> PathOrWordCodec(const std::string& word);
// A program: an absolute path, or a name that is looked up in PATH.
Codec<std::string> ProgramCodec();
// "127.0.0.1:9090" or "[::1]:9090"; empty: off.
Codec<std::string> AddressCodec();
// "/a/b", without "." and "..".
Codec<std::string> CgroupPathCodec();
Codec<bool> BooleanCodec();
Codec<int64_t> IntegerCodec(int64_t min, int64_t max);
Codec<int> FileModeCodec();
Codec<int64_t> SizeCodec(int64_t min_bytes, int64_t max_bytes);
Codec<Duration> DurationCodec(Duration min, Duration max);
Codec<std::vector<std::string>> ListCodec(const Codec<std::string>& item);
Codec<std::map<std::string, std::string>> TextMapCodec();

template <typename E>
Codec<E> OneOfCodec(std::vector<std::pair<std::string, E>> words) {
  std::string type;
  for (const auto& [word, unused] : words) type += Cat(type.empty() ? "" : " | ", word);
  return {type,
          [words, type](const Value& value) -> Result<E> {
            const std::string text = CRISP_TRY(ScalarText(value));
            for (const auto& [word, e] : words) {
              if (word == text) return e;
            }
            return InvalidArgument("'", text, "': allowed: ", type);
          },
          [words](const E& e) {
            for (const auto& [word, candidate] : words) {
              if (candidate == e) return Value::String(word);
            }
            return Value();
          }};
}

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_CODEC_H_
