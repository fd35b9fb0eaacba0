#include "network/bandwidth.h"

#include <array>
#include <charconv>
#include <optional>

namespace crisp::network {
namespace {

// What the kubelet accepts for these annotations: 1k to 1P bits per second.
constexpr uint64_t kSmallest = 1'000;
constexpr uint64_t kLargest = 1'000'000'000'000'000;

using Wide = unsigned __int128;

// A scale as value * numerator / denominator.
struct Scale {
  Wide numerator = 1;
  Wide denominator = 1;
};

// Suffixes of apimachinery's quantity grammar: binary SI, decimal SI, decimal exponent.
std::optional<Scale> ParseSuffix(std::string_view suffix) {
  struct Named {
    std::string_view name;
    int exponent_of_1000;
  };
  static constexpr std::array<Named, 9> kDecimal = {
      {{"n", -3}, {"u", -2}, {"m", -1}, {"", 0}, {"k", 1}, {"M", 2}, {"G", 3}, {"T", 4}, {"P", 5}}};
  static constexpr std::array<std::string_view, 5> kBinary = {"Ki", "Mi", "Gi", "Ti", "Pi"};
  Scale scale;
  for (const Named& unit : kDecimal) {
    if (unit.name != suffix) continue;
    for (int i = 0; i < unit.exponent_of_1000; ++i) scale.numerator *= 1000;
    for (int i = 0; i > unit.exponent_of_1000; --i) scale.denominator *= 1000;
    return scale;
  }
  for (size_t i = 0; i < kBinary.size(); ++i) {
    if (kBinary[i] != suffix) continue;
    scale.numerator = Wide{1} << (10 * (i + 1));
    return scale;
  }
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return std::nullopt;
  suffix.remove_prefix(suffix[1] == '+' ? 2 : 1);
  int exponent = 0;
  const auto [end, error] = std::from_chars(suffix.data(), suffix.data() + suffix.size(), exponent);
  if (error != std::errc() || end != suffix.data() + suffix.size()) return std::nullopt;
  if (exponent < -18 || exponent > 18) return std::nullopt;
  for (int i = 0; i < exponent; ++i) scale.numerator *= 10;
  for (int i = 0; i > exponent; --i) scale.denominator *= 10;
  return scale;
}

}  // namespace

Result<uint64_t> ParseQuantity(std::string_view text) {
  const Status wrong = InvalidArgument(
      "'", text, "' is not a quantity: wanted a positive number with a suffix such as k, M, G, Mi");
  std::string_view rest = text;
  if (!rest.empty() && rest.front() == '+') rest.remove_prefix(1);
  Wide digits = 0;
  Wide point = 1;
  size_t count = 0;
  bool after_point = false;
  for (; !rest.empty(); rest.remove_prefix(1)) {
    if (rest.front() == '.' && !after_point) {
      after_point = true;
      continue;
    }
    if (rest.front() < '0' || rest.front() > '9') break;
    // 18 digits times the largest scale still fit into 128 bits.
    if (++count > 18) return wrong;
    digits = digits * 10 + static_cast<unsigned>(rest.front() - '0');
    if (after_point) point *= 10;
  }
  const std::optional<Scale> scale = ParseSuffix(rest);
  if (count == 0 || !scale) return wrong;
  const Wide divisor = point * scale->denominator;
  const Wide value = (digits * scale->numerator + divisor - 1) / divisor;
  if (value > UINT64_MAX) return wrong;
  return static_cast<uint64_t>(value);
}

namespace {

Result<uint64_t> FromAnnotation(const std::map<std::string, std::string>& annotations,
                                const std::string& key) {
  const auto it = annotations.find(key);
  if (it == annotations.end()) return uint64_t{0};
  const uint64_t bits = CRISP_TRY(ParseQuantity(it->second).Wrap("annotation ", key));
  if (bits < kSmallest || bits > kLargest) {
    return InvalidArgument("annotation ", key, ": '", it->second,
                           "' is outside of 1k to 1P bits per second");
  }
  return bits;
}

}  // namespace

Result<Bandwidth> BandwidthFromAnnotations(const std::map<std::string, std::string>& annotations) {
  Bandwidth out;
  out.ingress_bits_per_second =
      CRISP_TRY(FromAnnotation(annotations, "kubernetes.io/ingress-bandwidth"));
  out.egress_bits_per_second =
      CRISP_TRY(FromAnnotation(annotations, "kubernetes.io/egress-bandwidth"));
  return out;
}

}  // namespace crisp::network
