#include "conmon/handover.h"

#include <gtest/gtest.h>

namespace crisp::conmon {
namespace {

// A state as Encode() writes it, with one client and hardly anything else.
std::string SmallState(uint64_t version = Handover::kVersion) {
  std::string state;
  const auto numbers = [&](std::initializer_list<uint64_t> values) {
    for (uint64_t v : values) state += BodyWriter().U64(v).Take();
  };
  const auto empty_texts = [&](int count) {
    for (int i = 0; i < count; ++i) state += BodyWriter().U32(0).Take();
  };
  constexpr uint64_t kNone = ~uint64_t{0};
  numbers({version});
  empty_texts(5);                // id, bundle, state_dir, log_path, oom_watch
  numbers({16384, 1, 1, 1, 0});  // limit, terminal, stdin, stdin_once, words of runtime_argv
  numbers({42, 43, kNone, kNone, kNone, kNone, kNone, kNone});
  empty_texts(3);
  numbers({0, 0, 0, 0, 0, 1});
  numbers({17, 1, 7, 0});
  if (version < 2) return state;
  empty_texts(1);  // log_directory
  numbers({1});    // confined
  return state;
}

TEST(HandoverTest, GoesAroundAndEveryTruncationIsRefused) {
  const std::string text = SmallState();
  const Result<Handover> whole = Handover::Decode(text);
  ASSERT_TRUE(whole.ok()) << whole.status().ToString();
  EXPECT_EQ(whole->Encode(), text);
  EXPECT_TRUE(whole->options().terminal);
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(Handover::Decode(std::string_view(text).substr(0, size)).ok()) << size;
  }
}

TEST(HandoverTest, AnOlderStateIsRead) {
  const Result<Handover> old = Handover::Decode(SmallState(1));
  ASSERT_TRUE(old.ok()) << old.status().ToString();
  EXPECT_FALSE(Handover::Decode(BodyWriter().U64(0).Take()).ok());
}

TEST(HandoverTest, AForeignVersionIsRefused) {
  EXPECT_FALSE(Handover::Decode(BodyWriter().U64(Handover::kVersion + 1).Take()).ok());
}

}  // namespace
}  // namespace crisp::conmon
