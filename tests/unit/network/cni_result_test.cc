#include "network/cni_result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_dir.h"

namespace crisp::network {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(CniResultTest, OnlyThePodsInterfaceCounts) {
  EXPECT_THAT(AddressesOf(R"({"interfaces": [{"name": "eth0"}, {"name": "eth0", "sandbox": "/n"},
                                             {"name": "eth1", "sandbox": "/n"}],
                              "ips": [{"address": "10.0.0.1/8", "interface": 0},
                                      {"address": "10.0.0.2/8", "interface": 1},
                                      {"address": "10.0.0.3/8", "interface": 2}]})",
                          "eth0")
                  .value(),
              ElementsAre("10.0.0.2"));
}

TEST(CniResultTest, Version03WithoutInterfaces) {
  EXPECT_THAT(
      AddressesOf(R"({"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.0.0.2/24"},
                                      {"version": "6", "address": "fd00::2/64"},
                                      {"version": "4", "address": "10.0.0.2/24"}]})",
                  "eth0")
          .value(),
      ElementsAre("10.0.0.2", "fd00::2"));
}

TEST(CniResultTest, NoAddresses) {
  EXPECT_THAT(AddressesOf("{}", "eth0").value(), IsEmpty());
  EXPECT_THAT(AddressesOf(R"({"ips": null})", "eth0").value(), IsEmpty());
}

TEST(CniResultTest, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"ips": {}})", "ips is not an array"},
      {R"({"ips": [7]})", "ips[0] is not an object"},
      {R"({"ips": [{}]})", "address is missing"},
      {R"({"ips": [{"address": "10.0.0.300/24"}]})", "10.0.0.300"},
      {R"({"ips": [{"address": "10.0.0.3/24", "interface": 0}]})", "there are 0 interfaces"},
      {R"({"interfaces": [{}], "ips": [{"address": "10.0.0.3/24", "interface": -1}]})",
       "interface -1"},
      {R"({"interfaces": [{}], "ips": [{"address": "10.0.0.3/24", "interface": "0"}]})",
       "interface"},
      {R"({"interfaces": [3], "ips": [{"address": "10.0.0.3/24", "interface": 0}]})",
       "interfaces[0] is not an object"}};
  for (const auto& [text, message] : cases) {
    const auto addresses = AddressesOf(text, "eth0");
    ASSERT_FALSE(addresses.ok()) << text;
    EXPECT_EQ(addresses.status().code(), Code::kInternal);
    EXPECT_THAT(addresses.status().message(), HasSubstr(message)) << text;
  }
}

TEST(CniResultTest, NormalizeChecksTheVersion) {
  EXPECT_EQ(NormalizeResult(" {\"cniVersion\": \"0.4.0\"}\n").value(), R"({"cniVersion":"0.4.0"})");
  EXPECT_EQ(NormalizeResult("{}").value(), "{}");
  EXPECT_EQ(NormalizeResult("").status().code(), Code::kInternal);
  EXPECT_EQ(NormalizeResult("hello").status().code(), Code::kInternal);
  EXPECT_THAT(NormalizeResult(R"({"cniVersion": "0.2.0"})").status().message(), HasSubstr("0.2.0"));
}

TEST(CniResultTest, Preference) {
  const std::vector<std::string> given = {"fd00::1", "10.0.0.1", "10.0.0.2", "fd00::2"};
  auto v4 = ChoosePrimary(given, AddressPreference::kIpv4).value();
  EXPECT_EQ(v4.primary, "10.0.0.1");
  EXPECT_THAT(v4.additional, ElementsAre("fd00::1", "10.0.0.2", "fd00::2"));
  EXPECT_EQ(ChoosePrimary(given, AddressPreference::kIpv6).value().primary, "fd00::1");
  EXPECT_EQ(ChoosePrimary(given, AddressPreference::kCni).value().primary, "fd00::1");
  EXPECT_EQ(ChoosePrimary({"fd00::9"}, AddressPreference::kIpv4).value().primary, "fd00::9");
  EXPECT_EQ(ChoosePrimary({}, AddressPreference::kIpv4).status().code(), Code::kInternal);
}

}  // namespace
}  // namespace crisp::network
