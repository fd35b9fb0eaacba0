#include "server/registries_d.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/core/file.h"

namespace crisp {
namespace {

using testing::HasSubstr;

class RegistriesDTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/registries-d-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFile(dir_ + "/" + name, text).ok());
  }
  std::string Error() {
    const auto out = ReadRegistriesD(dir_);
    EXPECT_EQ(out.status().code(), Code::kInvalidArgument);
    return out.status().message();
  }
  std::string dir_;
};

TEST_F(RegistriesDTest, WithoutFiles) {
  for (const std::string& dir : {std::string(), dir_ + "/none", dir_}) {
    const auto out = ReadRegistriesD(dir);
    ASSERT_TRUE(out.ok()) << out.status().message();
    EXPECT_EQ(out->at("").url, "file:///var/lib/containers/sigstore");
  }
}

TEST_F(RegistriesDTest, SectionsOfSeveralFiles) {
  Write("a.yaml", "default-docker:\n  lookaside-staging: file:///staging\n");
  Write("b.yaml",
        "docker:\n  q.io/a:\n    sigstore: https://old\n    lookaside: https://new\n"
        "  r.io:\n    use-sigstore-attachments: false\n");
  Write("c.conf", "no: yaml: at all");
  const auto out = ReadRegistriesD(dir_);
  ASSERT_TRUE(out.ok()) << out.status().message();
  EXPECT_EQ(out->at("").url, "file:///var/lib/containers/sigstore") << "staging is for signing";
  EXPECT_EQ(out->at("q.io/a").url, "https://new");
  EXPECT_EQ(out->at("q.io/a").use_attachments, std::nullopt) << "what a wider scope says";
  EXPECT_EQ(out->at("r.io").use_attachments, false);
  EXPECT_EQ(out->at("r.io").url, std::nullopt);
}

TEST_F(RegistriesDTest, MistakesNameFileAndLine) {
  Write("a.yaml", "docker:\n  q.io:\n    lookaside: ftp://x\n");
  EXPECT_THAT(Error(), HasSubstr("a.yaml:3: lookaside: allowed: an https, http or file URL"));
  Write("a.yaml", "docker:\n  q.io:\n    lookasid: https://x\n");
  EXPECT_THAT(Error(), HasSubstr("a.yaml:3: unknown key lookasid"));
  Write("a.yaml", "dockre: {}\n");
  EXPECT_THAT(Error(), HasSubstr("unknown key dockre"));
  Write("a.yaml", "docker:\n  q.io: {}\n");
  Write("b.yaml", "docker:\n  q.io: {}\n");
  EXPECT_THAT(Error(), HasSubstr("b.yaml:2: q.io: another file has it"));
}

}  // namespace
}  // namespace crisp
