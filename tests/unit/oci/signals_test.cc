#include <gtest/gtest.h>
#include <signal.h>

#include "oci/spec_builder.h"

namespace crisp::oci {
namespace {

TEST(Signals, Parse) {
  struct Case {
    const char* name;
    int number;
  };
  for (const Case& c :
       {Case{"SIGTERM", 15}, Case{"TERM", 15}, Case{"sigterm", 15}, Case{"15", 15},
        Case{"SIGKILL", 9}, Case{"SIGCLD", 17}, Case{"SIGIOT", 6}, Case{"SIGPOLL", 29},
        Case{"SIGRTMIN", 34}, Case{"SIGRTMIN+3", 37}, Case{"RTMIN+3", 37},
        Case{"SIGRTMINPLUS3", 37}, Case{"SIGRTMINPLUS15", 49}, Case{"SIGRTMAXMINUS14", 50},
        Case{"SIGRTMAX-1", 63}, Case{"SIGRTMAX", 64}, Case{"64", 64}, Case{"1", 1}}) {
    const auto parsed = ParseSignal(c.name);
    ASSERT_TRUE(parsed.ok()) << c.name << ": " << parsed.status().ToString();
    EXPECT_EQ(*parsed, c.number) << c.name;
  }
}

TEST(Signals, Malformed) {
  for (const char* name : {"", "0", "65", "-1", "SIG", "SIGFOO", "SIGRTMIN+31", "SIGRTMIN-1",
                           "SIGRTMAX+1", "SIGRTMINPLUS", "SIGRTMIN+3x", "15 ", " TERM", "SIG15"}) {
    EXPECT_EQ(ParseSignal(name).status().code(), Code::kInvalidArgument) << "'" << name << "'";
  }
}

TEST(Signals, NamesOfTheEnumComeBack) {
  EXPECT_EQ(CriSignalName(SIGTERM), "SIGTERM");
  EXPECT_EQ(CriSignalName(SIGCHLD), "SIGCHLD");
  EXPECT_EQ(CriSignalName(34), "SIGRTMIN");
  EXPECT_EQ(CriSignalName(37), "SIGRTMINPLUS3");
  EXPECT_EQ(CriSignalName(49), "SIGRTMINPLUS15");
  EXPECT_EQ(CriSignalName(50), "SIGRTMAXMINUS14");
  EXPECT_EQ(CriSignalName(64), "SIGRTMAX");
  for (int signal = 1; signal <= 64; ++signal) {
    if (signal == 32 || signal == 33) continue;  // the C library's own
    const auto back = ParseSignal(CriSignalName(signal));
    ASSERT_TRUE(back.ok()) << signal;
    EXPECT_EQ(*back, signal);
  }
}

}  // namespace
}  // namespace crisp::oci
