#include "base/log.h"

#include <gtest/gtest.h>

#include "base/ids.h"

namespace crisp {
namespace {

TEST(LogTest, FieldsAndLevels) {
  std::string seen;
  log::SetSink([&](log::Level level, std::string_view message, std::span<const log::Field> fields) {
    seen += Cat(static_cast<int>(level), ' ', message);
    for (const auto& field : fields) seen += Cat(' ', field.key, '=', field.value);
    seen += ';';
  });
  log::Debug("dropped");
  log::Info("made", {{"id", SandboxId(std::string(64, 'a'))}, {"pid", 7}, {"ok", true}});
  log::SetLevel(log::Level::kError);
  log::Warning("dropped");
  log::Error("bad", {{"error", NotFound("x")}, {"text", std::string("y")}});
  log::SetLevel(log::Level::kInfo);
  log::SetSink(nullptr);
  EXPECT_EQ(seen, "2 made id=aaaaaaaaaaaaa pid=7 ok=true;4 bad error=NOT_FOUND: x text=y;");
}

}  // namespace
}  // namespace crisp
