#include "pod/sandbox_files.h"

#include <gtest/gtest.h>

namespace crisp::pod {
namespace {

namespace v1 = ::runtime::v1;

TEST(ResolvConf, HasOnlyLinesWithValues) {
  v1::PodSandboxConfig config;
  v1::DNSConfig& dns = *config.mutable_dns_config();
  EXPECT_EQ(*ResolvConf(config), "") << "an empty dns_config is an empty file";
  dns.add_servers("10.10.10.10");
  dns.add_servers("fd00::1");
  EXPECT_EQ(*ResolvConf(config), "nameserver 10.10.10.10\nnameserver fd00::1\n");
  dns.add_searches("google.com");
  dns.add_searches("svc");
  dns.add_options("ndots:8");
  EXPECT_EQ(*ResolvConf(config),
            "search google.com svc\nnameserver 10.10.10.10\nnameserver fd00::1\noptions ndots:8\n");
}

TEST(ResolvConf, WithoutDnsConfigIsTheHosts) {
  auto host = ReadFile("/etc/resolv.conf");
  EXPECT_EQ(*ResolvConf(v1::PodSandboxConfig()), host.ok() ? *host : "");
}

TEST(ResolvConf, RefusesValuesThatWouldMakeLines) {
  for (const char* bad : {"a b", "10.0.0.1\nnameserver 6.6.6.6", ""}) {
    v1::PodSandboxConfig config;
    config.mutable_dns_config()->add_servers(bad);
    EXPECT_EQ(ResolvConf(config).status().code(), Code::kInvalidArgument) << bad;
  }
}

TEST(Hostname, ComesFromTheConfigUnlessTheNetworkIsTheHosts) {
  v1::PodSandboxConfig config;
  config.set_hostname("web-0");
  EXPECT_EQ(*Hostname(config), "web-0");
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(
      v1::NODE);
  EXPECT_NE(*Hostname(config), "web-0");
  v1::PodSandboxConfig too_long;
  for (const char* bad : {"a\nroot::0:0::/:/bin/sh", "a b", "a/b", "\xff"}) {
    v1::PodSandboxConfig wrong;
    wrong.set_hostname(bad);
    EXPECT_EQ(Hostname(wrong).status().code(), Code::kInvalidArgument) << bad;
  }
  too_long.set_hostname(std::string(65, 'a'));
  EXPECT_EQ(Hostname(too_long).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace crisp::pod
