// main of every integration and fault test: GoogleTest inside surroundings of its own.
#include <gtest/gtest.h>

#include "tests/support/surroundings.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  return crisp::test::RunInSurroundings([] { return RUN_ALL_TESTS(); });
}
