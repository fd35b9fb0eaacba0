#include "oci/hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "oci/spec_parts.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string HookWith(const std::string& when, const std::string& argument = "x") {
  return Cat(R"({"version": "1.0.0", "hook": {"path": "/bin/sh", "args": ["sh", ")", argument,
             R"("]}, "when": )", when, R"(, "stages": ["prestart", "poststop"]})");
}

bool Matches(const std::string& when, const HookSubject& subject) {
  const auto file = ParseHookFile(HookWith(when));
  EXPECT_TRUE(file.ok()) << file.status().ToString();
  return file.ok() && file->Matches(subject);
}

TEST(HookFileTest, Conditions) {
  const HookSubject subject{"/usr/sbin/init", {{"com.example.team", "fluid-dynamics"}}, true};
  EXPECT_TRUE(Matches(R"({"always": true})", {}));
  EXPECT_FALSE(Matches(R"({"always": false})", subject));
  EXPECT_TRUE(Matches(R"({"hasBindMounts": true})", subject));
  EXPECT_FALSE(Matches(R"({"hasBindMounts": true})", {}));
  EXPECT_TRUE(Matches(R"({"commands": ["no", ".*/init$"]})", subject));
  EXPECT_FALSE(Matches(R"({"commands": ["^init$"]})", subject));
  EXPECT_TRUE(Matches(R"({"annotations": {"^com\\.example\\.": "fluid"}})", subject));
  EXPECT_FALSE(Matches(R"({"annotations": {"^com": "fluid", "team": "none"}})", subject));
  // All that are given must hold.
  EXPECT_FALSE(Matches(R"({"always": true, "commands": ["^x$"]})", subject));
  EXPECT_TRUE(Matches(R"({"always": true, "commands": ["init"]})", subject));
}

TEST(HookFileTest, Mistakes) {
  const auto error = [](const std::string& text) {
    const auto file = ParseHookFile(text);
    EXPECT_FALSE(file.ok()) << text;
    EXPECT_EQ(file.status().code(), Code::kInvalidArgument);
    return file.status().message();
  };
  EXPECT_THAT(error("x"), HasSubstr("not JSON"));
  EXPECT_THAT(error(R"({"hook": "/bin/sh"})"), HasSubstr("version: is missing"));
  EXPECT_THAT(error(R"({"version": "0.1.0"})"), HasSubstr("'0.1.0': allowed: 1.0.0"));
  EXPECT_THAT(error(HookWith("{}")), HasSubstr("when: no condition"));
  EXPECT_THAT(error(HookWith(R"({"commands": ["("]})")), HasSubstr("when.commands: '('"));
  EXPECT_THAT(error(HookWith(R"({"commands": ["((a{100}){100}){100}"]})")), HasSubstr("too long"));
  EXPECT_THAT(error(HookWith(R"({"never": true})")), HasSubstr("when.never: unknown key"));
  EXPECT_THAT(error(R"({"version": "1.0.0", "hook": {"path": "sh"}, "when": {"always": true},
                       "stages": ["prestart"]})"),
              HasSubstr("hook.path: 'sh': allowed: an absolute path"));
  EXPECT_THAT(error(R"({"version": "1.0.0", "hook": {"path": "/sh"}, "when": {"always": true},
                       "stages": ["later"]})"),
              HasSubstr("stages: 'later': allowed: prestart"));
  EXPECT_THAT(error(R"({"version": "1.0.0", "hook": {"path": "/sh"}, "when": {"always": true},
                       "stages": []})"),
              HasSubstr("stages: is missing or empty"));
}

class HooksTest : public ::testing::Test {
 protected:
  std::vector<std::string> Arguments() {
    const auto hooks = catalog_.HooksFor({});
    EXPECT_TRUE(hooks.ok()) << hooks.status().ToString();
    std::vector<std::string> out;
    if (!hooks.ok() || hooks->empty()) return out;
    for (const Hook& hook : hooks->at(HookStage::kPoststop)) out.push_back(hook.args.at(1));
    return out;
  }
  TestRootfs files_;
  HookCatalog catalog_{{files_.path() + "/usr", files_.path() + "/etc"}};
};

TEST_F(HooksTest, OrderAndPrecedence) {
  EXPECT_THAT(Arguments(), IsEmpty());
  files_.Write("usr/02-b.json", HookWith(R"({"always": true})", "usr-b"));
  files_.Write("usr/03-c.json", HookWith(R"({"always": true})", "usr-c"));
  files_.Write("usr/01-Z.json", HookWith(R"({"always": true})", "usr-z"));
  files_.Write("usr/01-x.json", HookWith(R"({"always": true})", "usr-x"));
  EXPECT_THAT(Arguments(), ElementsAre("usr-x", "usr-z", "usr-b", "usr-c"));
  files_.Write("etc/02-b.json", HookWith(R"({"always": true})", "etc-b"));
  EXPECT_THAT(Arguments(), ElementsAre("usr-x", "usr-z", "etc-b", "usr-c"));
  // A bad file hides its namesake and is named.
  files_.Write("etc/03-c.json", "{}");
  EXPECT_THAT(Arguments(), ElementsAre("usr-x", "usr-z", "etc-b"));
  EXPECT_THAT(catalog_.Problems(), ElementsAre(HasSubstr("/etc/03-c.json: version")));
}

TEST_F(HooksTest, AMissingProgramIsNamed) {
  files_.Write("usr/a.json", R"({"version": "1.0.0", "hook": {"path": "/no/such"},
                                 "when": {"always": true}, "stages": ["createRuntime"]})");
  const Status status = catalog_.HooksFor({}).status();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/usr/a.json: createRuntime /no/such"));
  // That of startContainer is in the container.
  files_.Write("usr/a.json", R"({"version": "1.0.0", "hook": {"path": "/no/such"},
                                 "when": {"always": true}, "stages": ["startContainer"]})");
  EXPECT_TRUE(catalog_.HooksFor({}).ok());
}

TEST_F(HooksTest, TheContainersOwnAnnotationsAndMountsCount) {
  files_.Write("usr/a.json",
               HookWith(R"({"annotations": {"^hook$": "^yes$"}, "hasBindMounts": true})"));
  ContainerRequest request = SmallRequest(files_);
  request.hooks = &catalog_;
  Spec spec;
  ASSERT_TRUE(AddConfiguredHooks(request, &spec).ok());
  EXPECT_THAT(spec.hooks, IsEmpty());
  request.pod_annotations["hook"] = "yes";
  request.mounts = {HostMount("/m", "/tmp")};
  ASSERT_TRUE(AddConfiguredHooks(request, &spec).ok());
  EXPECT_THAT(spec.hooks, SizeIs(2));
  request.annotations["hook"] = "no";  // the container's wins
  Spec other;
  ASSERT_TRUE(AddConfiguredHooks(request, &other).ok());
  EXPECT_THAT(other.hooks, IsEmpty());
}

}  // namespace
}  // namespace crisp::oci
