// kill -9 between any two system calls: of the daemon's side in a pull and in a removal, and of
// crisp-pull. After each, a new service finds nothing wrong and a new pull works.
//
// CRISP_FAULT_ALL=1 takes every place (74, 63 and 56 of them, 48 s); otherwise one in kSample,
// other ones each day.
#include <sys/stat.h>

#include <cstdlib>
#include <ctime>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "image_fixture.h"

namespace crisp::image {
namespace {

constexpr long kSample = 4;
constexpr int kKilled = 137;
constexpr long kTooMany = 100000;

class KillTest : public ImageFixture {
 protected:
  void SetUp() override {
    ImageFixture::SetUp();
    if (IsSkipped()) return;
    // The second layer is tied to the first: its unpacking mounts a view.
    made_ = MakeImage({GzipLayer(TarBuilder().Dir("d").File("d/f", "one").Build()),
                       GzipLayer(TarBuilder().File("d/g", "two").HardLink("h", "d/f").Build())});
    Put(registry_, made_);
    name_ = registry_.host() + "/app:v1";
  }

  struct Outcome {
    int exit_code = 0;
    std::string stdout_text;
    std::string stderr_text;
  };
  static Outcome RunVictim(const std::vector<std::string>& argv) {
    RunOptions run;
    run.argv = argv;
    run.deadline = MonoNow() + std::chrono::seconds(30);
    const auto output = crisp::Run(run);
    if (!output.ok()) return {-1, "", output.status().ToString()};
    return {output->status.code, output->stdout_data, output->stderr_data};
  }
  std::vector<std::string> Victim(const std::string& operation, const std::string& puller) const {
    return {CRISP_IMAGE_VICTIM, dir_ / "store", puller, operation, name_};
  }
  static long Step() {
    const bool all = std::getenv("CRISP_FAULT_ALL") != nullptr;  // NOLINT(concurrency-mt-unsafe)
    return all ? 1 : kSample;
  }
  static long First() { return 1 + (Step() == 1 ? 0 : std::time(nullptr) / 86400 % Step()); }

  // A service of now: nothing is damaged or strange, what is listed works, and so does a pull.
  void IsWhole() {
    OpenService();
    const auto report = service().Check(false, {});
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_TRUE(report->damaged.empty());
    EXPECT_TRUE(report->damaged_images.empty());
    EXPECT_THAT(report->strangers, testing::IsEmpty());
    for (const ImagePtr& image : service().List()) {
      EXPECT_EQ(FileInImage(image->id, "d/g"), "two");
    }
    const auto pulled = Pull(name_);
    ASSERT_TRUE(pulled.ok()) << pulled.status().message();
    EXPECT_EQ(FileInImage(*pulled, "d/f"), "one");
    EXPECT_EQ(FileInImage(*pulled, "h"), "one");
  }
  void IsEmpty() {
    ASSERT_TRUE(service().Remove(name_).ok());
    EXPECT_EQ(SettledCounts({}), StoreCounts{});
    EXPECT_TRUE(DirFd::Open(dir_ / "store/records")->List()->empty());
    service_.reset();
  }

  FakeRegistry registry_;
  MadeImage made_;
  std::string name_;
};

TEST_F(KillTest, TheServiceInAPull) {
  service_.reset();
  long places = 0;
  for (long n = First(); n < kTooMany; n += Step()) {
    SCOPED_TRACE(n);
    std::vector<std::string> argv = {CRISP_KILL_BEFORE_CALL, std::to_string(n)};
    for (const std::string& word : Victim("pull", CRISP_PULL_BINARY)) argv.push_back(word);
    const Outcome outcome = RunVictim(argv);
    IsWhole();
    IsEmpty();
    if (HasFailure()) return;
    if (outcome.exit_code == 0) break;
    ASSERT_EQ(outcome.exit_code, kKilled) << outcome.stderr_text;
    ++places;
  }
  RecordProperty("places", static_cast<int>(places));
  EXPECT_GE(places * Step(), 40);
}

TEST_F(KillTest, TheServiceInARemoval) {
  long places = 0;
  for (long n = First(); n < kTooMany; n += Step()) {
    SCOPED_TRACE(n);
    ASSERT_TRUE(Pull(name_).ok());
    service_.reset();
    std::vector<std::string> argv = {CRISP_KILL_BEFORE_CALL, std::to_string(n)};
    for (const std::string& word : Victim("remove", CRISP_PULL_BINARY)) argv.push_back(word);
    const Outcome outcome = RunVictim(argv);
    IsWhole();
    IsEmpty();
    if (HasFailure()) return;
    OpenService();
    if (outcome.exit_code == 0) break;
    ASSERT_EQ(outcome.exit_code, kKilled) << outcome.stderr_text;
    ++places;
  }
  RecordProperty("places", static_cast<int>(places));
  EXPECT_GE(places * Step(), 30);
}

TEST_F(KillTest, CrispPull) {
  const std::string wrapper = dir_ / "crisp-pull";
  long places = 0;
  for (long n = First(); n < kTooMany; n += Step()) {
    SCOPED_TRACE(n);
    ASSERT_TRUE(WriteFile(wrapper,
                          Cat("#!/bin/sh\nexec " CRISP_KILL_BEFORE_CALL " ", n,
                              " " CRISP_PULL_BINARY " \"$@\"\n"),
                          0755)
                    .ok());
    options_.pull_binary = wrapper;
    OpenService();
    const auto pulled = Pull(name_);
    if (!pulled.ok()) {  // the service lives on: it has cleaned up already
      EXPECT_EQ(SettledCounts({}), StoreCounts{});
      ++places;
    }
    options_.pull_binary = CRISP_PULL_BINARY;
    IsWhole();
    IsEmpty();
    if (HasFailure()) return;
    if (pulled.ok()) break;
  }
  RecordProperty("places", static_cast<int>(places));
  EXPECT_GE(places * Step(), 40);
}

}  // namespace
}  // namespace crisp::image
