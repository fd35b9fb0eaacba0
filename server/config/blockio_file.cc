#include "server/config/blockio_file.h"

#include <array>
#include <charconv>

#include "server/config/codec.h"
#include "server/config/yaml_reader.h"

namespace crisp::config {
namespace {

constexpr uint64_t kLowestWeight = 10;  // runtime-spec config-linux.md "Block IO"
constexpr uint64_t kHighestWeight = 1000;

struct Suffix {
  std::string_view text;
  uint64_t factor;
};
constexpr std::array<Suffix, 9> kSuffixes = {{{"Ki", uint64_t{1} << 10},
                                              {"Mi", uint64_t{1} << 20},
                                              {"Gi", uint64_t{1} << 30},
                                              {"Ti", uint64_t{1} << 40},
                                              {"k", 1'000},
                                              {"M", 1'000'000},
                                              {"G", 1'000'000'000},
                                              {"T", 1'000'000'000'000},
                                              {"", 1}}};

Status At(const Value& value, const Status& status) { return Status(status).Wrap(value.Where()); }

Result<uint64_t> ParseQuantity(const Value& value) {
  const std::string text = CRISP_TRY(ScalarText(value));
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  for (const Suffix& suffix : kSuffixes) {
    uint64_t out = 0;
    if (error == std::errc() && std::string_view(stop, end) == suffix.text &&
        !__builtin_mul_overflow(number, suffix.factor, &out)) {
      return out;
    }
  }
  return InvalidArgument("'", text,
                         "': allowed: a whole number, with k, M, G, T, Ki, Mi, Gi or Ti");
}

Result<uint16_t> ParseWeight(const Value& value) {
  const uint64_t weight = CRISP_TRY(ParseQuantity(value));
  if (weight < kLowestWeight || weight > kHighestWeight) {
    return InvalidArgument("Weight: ", weight, ": allowed: ", kLowestWeight, " to ",
                           kHighestWeight);
  }
  return static_cast<uint16_t>(weight);
}

Status ApplyKey(const std::string& key, const Value& value, BlockioRule* rule) {
  if (key == "Devices") {
    rule->devices = CRISP_TRY(ListCodec(AbsolutePathCodec()).parse(value));
  } else if (key == "Weight") {
    rule->weight = CRISP_TRY(ParseWeight(value));
  } else if (key == "ThrottleReadBps") {
    rule->read_bps = CRISP_TRY(ParseQuantity(value));
  } else if (key == "ThrottleWriteBps") {
    rule->write_bps = CRISP_TRY(ParseQuantity(value));
  } else if (key == "ThrottleReadIOPS") {
    rule->read_iops = CRISP_TRY(ParseQuantity(value));
  } else if (key == "ThrottleWriteIOPS") {
    rule->write_iops = CRISP_TRY(ParseQuantity(value));
  } else {
    return InvalidArgument("unknown key; allowed: Devices, Weight, ThrottleReadBps, ",
                           "ThrottleWriteBps, ThrottleReadIOPS, ThrottleWriteIOPS");
  }
  return OkStatus();
}

Result<BlockioRule> ParseRule(const Value& value) {
  if (value.kind != Value::Kind::kMap) {
    return At(value, InvalidArgument("found ", value.KindName(), " where a rule (map) is wanted"));
  }
  BlockioRule out;
  for (const auto& [key, entry] : value.entries) {
    if (Status applied = ApplyKey(key, entry, &out); !applied.ok()) {
      return At(entry, std::move(applied).Wrap(key));
    }
  }
  const bool throttles = out.read_bps || out.write_bps || out.read_iops || out.write_iops;
  if (out.devices.empty() && throttles) {
    return At(value, InvalidArgument("a rule that throttles needs Devices"));
  }
  return out;
}

}  // namespace

Result<BlockioClasses> ParseBlockio(const std::string& text, const std::string& file) {
  const Value tree = CRISP_TRY(ReadYaml(text, file));
  BlockioClasses out;
  for (const auto& [key, classes] : tree.entries) {
    if (key != "Classes" || classes.kind != Value::Kind::kMap) {
      return At(classes, InvalidArgument(key, ": allowed: Classes, a map of class names"));
    }
    for (const auto& [name, rules] : classes.entries) {
      if (rules.kind != Value::Kind::kList) {
        return At(rules, InvalidArgument(name, ": found ", rules.KindName(),
                                         " where a list of rules is wanted"));
      }
      std::vector<BlockioRule>& all = out[name];
      for (const Value& rule : rules.items) {
        all.push_back(CRISP_TRY(ParseRule(rule).Wrap("class ", name)));
      }
    }
  }
  return out;
}

}  // namespace crisp::config
