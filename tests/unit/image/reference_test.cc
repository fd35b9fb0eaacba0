#include "image/reference.h"

#include <gtest/gtest.h>

namespace crisp::image {
namespace {

const std::string kHex(64, 'a');

struct Good {
  std::string text;
  std::string domain;
  std::string path;
  std::string tag;
  bool digest = false;
};

class GoodReference : public testing::TestWithParam<Good> {};

TEST_P(GoodReference, IsNormalised) {
  const Good& expected = GetParam();
  const auto ref = Reference::Parse(expected.text);
  ASSERT_TRUE(ref.ok()) << ref.status().message();
  EXPECT_EQ(ref->domain(), expected.domain);
  EXPECT_EQ(ref->path(), expected.path);
  EXPECT_EQ(ref->tag(), expected.tag);
  EXPECT_EQ(ref->digest(), expected.digest ? "sha256:" + kHex : "");
  // The normal form is its own normal form.
  const auto again = Reference::Parse(ref->ToString());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->ToString(), ref->ToString());
}

INSTANTIATE_TEST_SUITE_P(
    Table, GoodReference,
    testing::Values(Good{"nginx", "docker.io", "library/nginx", "latest"},
                    Good{"nginx:1.25", "docker.io", "library/nginx", "1.25"},
                    Good{"docker.io/nginx", "docker.io", "library/nginx", "latest"},
                    Good{"index.docker.io/nginx", "docker.io", "library/nginx", "latest"},
                    Good{"docker.io/library/nginx:a", "docker.io", "library/nginx", "a"},
                    Good{"user/app", "docker.io", "user/app", "latest"},
                    Good{"a/b/c:d", "docker.io", "a/b/c", "d"},
                    Good{"quay.io/app", "quay.io", "app", "latest"},
                    Good{"quay.io/org/app:v1", "quay.io", "org/app", "v1"},
                    Good{"localhost/app", "localhost", "app", "latest"},
                    Good{"localhost:5000/app:x", "localhost:5000", "app", "x"},
                    Good{"host:5000/a/b", "host:5000", "a/b", "latest"},
                    Good{"127.0.0.1:5000/a:b", "127.0.0.1:5000", "a", "b"},
                    Good{"[::1]:5000/a:b", "[::1]:5000", "a", "b"},
                    Good{"[2001:db8::1]/a", "[2001:db8::1]", "a", "latest"},
                    Good{"Host/app", "Host", "app", "latest"},
                    Good{"MY.Registry.io/app", "MY.Registry.io", "app", "latest"},
                    Good{"a.b/c", "a.b", "c", "latest"},
                    Good{"xn--n3h.com/app", "xn--n3h.com", "app", "latest"},
                    Good{"nginx@sha256:" + kHex, "docker.io", "library/nginx", "", true},
                    Good{"nginx:1.25@sha256:" + kHex, "docker.io", "library/nginx", "", true},
                    Good{"h:1/a/b:t@sha256:" + kHex, "h:1", "a/b", "", true},
                    Good{"a__b", "docker.io", "library/a__b", "latest"},
                    Good{"a_b.c--d", "docker.io", "library/a_b.c--d", "latest"},
                    Good{"a---b", "docker.io", "library/a---b", "latest"},
                    Good{"0", "docker.io", "library/0", "latest"},
                    Good{"app:_tag", "docker.io", "library/app", "_tag"},
                    Good{"app:T.a-g_1", "docker.io", "library/app", "T.a-g_1"},
                    Good{"registry.k8s.io/e2e-test-images/busybox:1.29-2", "registry.k8s.io",
                         "e2e-test-images/busybox", "1.29-2"},
                    Good{"app:" + std::string(128, 'x'), "docker.io", "library/app",
                         std::string(128, 'x')},
                    Good{"host:65535/a", "host:65535", "a", "latest"}));

struct Bad {
  std::string text;
  std::string says;  // part of the message
};

class BadReference : public testing::TestWithParam<Bad> {};

TEST_P(BadReference, SaysWhatIsWrong) {
  const auto ref = Reference::Parse(GetParam().text);
  ASSERT_FALSE(ref.ok()) << ref->ToString();
  EXPECT_EQ(ref.status().code(), Code::kInvalidArgument);
  EXPECT_NE(ref.status().message().find(GetParam().says), std::string::npos)
      << ref.status().message();
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadReference,
    testing::Values(
        Bad{"", "is empty"}, Bad{":tag", "no repository"}, Bad{"@sha256:" + kHex, "no repository"},
        Bad{kHex, "64 hexadecimal"}, Bad{"Nginx", "upper-case"}, Bad{"a/B", "upper-case"},
        Bad{"a//b", "empty path component"}, Bad{"/a", "empty path component"},
        Bad{"a/", "empty path component"}, Bad{"host:5000/", "empty path component"},
        Bad{"a..b", "separated by"}, Bad{"a___b", "separated by"}, Bad{"-a", "separated by"},
        Bad{"a-", "separated by"}, Bad{"_a", "separated by"}, Bad{"a b", "separated by"},
        Bad{"a._b", "separated by"}, Bad{"a:", "tag"}, Bad{"a:.b", "tag"}, Bad{"a:-b", "tag"},
        Bad{"a:b c", "tag"}, Bad{"a:" + std::string(129, 'x'), "tag"},
        Bad{"a@sha256:abc", "64 lower-case"}, Bad{"a@md5:" + std::string(32, 'a'), "sha256 or"},
        Bad{"a@" + kHex, "no algorithm"}, Bad{"a@sha256:" + std::string(64, 'A'), "lower-case"},
        Bad{"a@sha256:" + kHex + "@sha256:" + kHex, "digest"}, Bad{"ho_st.x/a", "host[:port]"},
        Bad{"host:99999/a", "host[:port]"}, Bad{"host:port/a", "host[:port]"},
        Bad{"-host.io/a", "host[:port]"}, Bad{"host..io/a", "host[:port]"},
        Bad{"[::1/a", "host[:port]"}, Bad{"[zz]:1/a", "host[:port]"}, Bad{"[zz]/a", "separated by"},
        Bad{std::string(256, 'a'), "longer than"}, Bad{"https://quay.io/a", "host[:port]"},
        Bad{std::string("a\0b", 3), "separated by"}, Bad{"a\nb", "separated by"},
        Bad{"\xc3\xa9", "separated by"}));

TEST(Reference, MessagesHaveNoControlCharacters) {
  const auto ref = Reference::Parse("a\x1b[31m");
  ASSERT_FALSE(ref.ok());
  EXPECT_EQ(ref.status().message().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace crisp::image
