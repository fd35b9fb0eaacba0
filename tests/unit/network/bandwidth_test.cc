#include "network/bandwidth.h"

#include <gtest/gtest.h>

namespace crisp::network {
namespace {

TEST(QuantityTest, ReadsEverySuffixFamily) {
  const std::pair<const char*, uint64_t> cases[] = {{"10M", 10'000'000},
                                                    {"1k", 1000},
                                                    {"1Ki", 1024},
                                                    {"1.5Gi", 1'610'612'736},
                                                    {"0.5", 1},
                                                    {"1500m", 2},
                                                    {"2e6", 2000000},
                                                    {"2E6", 2000000},
                                                    {"1e+3", 1000},
                                                    {"5e-1", 1},
                                                    {"+3T", 3'000'000'000'000},
                                                    {"1P", 1'000'000'000'000'000},
                                                    {".5k", 500},
                                                    {"7.", 7},
                                                    {"1000000000u", 1000},
                                                    {"1n", 1}};
  for (const auto& [text, value] : cases) {
    const auto parsed = ParseQuantity(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, value) << text;
  }
}

TEST(QuantityTest, RefusesWhatIsNone) {
  for (const char* text : {"", "M", "-1", "10 M", "10m5", "1.2.3", "10MB", "0x10", "e6", "1e",
                           "1e99", "1e6M", ".", "9999999999999999999", "1E"}) {
    EXPECT_EQ(ParseQuantity(text).status().code(), Code::kInvalidArgument) << text;
  }
}

TEST(BandwidthTest, ReadsBothAnnotations) {
  const auto both = BandwidthFromAnnotations(
      {{"kubernetes.io/ingress-bandwidth", "10M"}, {"kubernetes.io/egress-bandwidth", "1500k"}});
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->ingress_bits_per_second, 10'000'000u);
  EXPECT_EQ(both->egress_bits_per_second, 1'500'000u);
  const auto none = BandwidthFromAnnotations({{"other", "x"}});
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->ingress_bits_per_second, 0u);
}

TEST(BandwidthTest, SaysWhichAnnotationIsWrong) {
  const auto malformed = BandwidthFromAnnotations({{"kubernetes.io/egress-bandwidth", "fast"}});
  EXPECT_EQ(malformed.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(
      malformed.status().message(),
      "annotation kubernetes.io/egress-bandwidth: 'fast' is not a quantity: wanted a positive "
      "number with a suffix such as k, M, G, Mi");
  for (const char* text : {"0", "999", "1001T"}) {
    const auto range = BandwidthFromAnnotations({{"kubernetes.io/ingress-bandwidth", text}});
    EXPECT_EQ(range.status().code(), Code::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace crisp::network
