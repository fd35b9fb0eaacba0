#include "conmon/protocol.h"

#include <gtest/gtest.h>

namespace crisp::conmon {
namespace {

TEST(PacketTest, HeaderGoesAroundAndBodyFollows) {
  const std::string bytes = EncodePacket(MessageType::kResize, 0x01020304, "body");
  ASSERT_EQ(bytes.size(), kHeaderSize + 4);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x01\x00\x03\x00\x04\x03\x02\x01", 8));
  const auto packet = DecodePacket(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->header.version, kProtocolMax);
  EXPECT_TRUE(packet->is(MessageType::kResize));
  EXPECT_EQ(packet->header.request, 0x01020304u);
  EXPECT_EQ(packet->body, "body");
}

TEST(PacketTest, TruncatedAndOversizedAreRefused) {
  const std::string bytes = EncodePacket(MessageType::kOk, 1);
  for (size_t size = 0; size < kHeaderSize; ++size) {
    EXPECT_FALSE(DecodePacket(std::string_view(bytes).substr(0, size))) << size;
  }
  EXPECT_TRUE(DecodePacket(std::string(kMaxPacket_bytes, 'x')));
  EXPECT_FALSE(DecodePacket(std::string(kMaxPacket_bytes + 1, 'x')));
}

TEST(PacketTest, AForeignVersionIsTheReceiversBusiness) {
  std::string bytes = EncodePacket(MessageType::kStatus, 1);
  bytes[0] = 77;
  const auto packet = DecodePacket(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->header.version, 77);
}

// Every body: decodes what it encodes, refuses every truncation, and ignores what a newer peer
// appends.
template <typename Body>
void CheckBody(const Body& body) {
  const std::string bytes = body.Encode();
  const auto decoded = Body::Decode(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->Encode(), bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Body::Decode(std::string_view(bytes).substr(0, size))) << size;
  }
  const auto longer = Body::Decode(bytes + "future");
  ASSERT_TRUE(longer);
  EXPECT_EQ(longer->Encode(), bytes);
}

TEST(BodyTest, AllBodiesGoAround) {
  HelloBody hello;
  hello.min = 1;
  hello.max = 3;
  hello.program = "crispd 9";
  CheckBody(hello);
  CreatedBody created;
  created.pid = 4711;
  created.start_time = 1ull << 40;
  CheckBody(created);
  ErrorBody error;
  error.code = 13;
  error.sys_errno = 28;
  error.text = "no space";
  CheckBody(error);
  CheckBody(UnsupportedBody{99, 1, 2});
  CheckBody(ResizeBody{80, 24});
  CheckBody(AttachBody{5});
  CheckBody(UpgradeBody{"/usr/libexec/crisp-monitor"});
  StatusBody status;
  status.state = MonitorState::kDraining;
  status.terminal = 1;
  status.container_pid = 7;
  status.logged_bytes = 1ull << 50;
  status.program = "crisp-monitor 1";
  CheckBody(status);
  CheckBody(ExitRecord{137, 9, true, 1'764'000'000'123'456'789});
}

TEST(BodyTest, ValuesOutOfRangeAreRefused) {
  HelloBody hello;
  hello.min = 3;
  hello.max = 2;
  EXPECT_FALSE(HelloBody::Decode(hello.Encode()));
  EXPECT_FALSE(CreatedBody::Decode(CreatedBody{}.Encode()));
  EXPECT_FALSE(CreatedBody::Decode(CreatedBody{-5, 1}.Encode()));
  EXPECT_FALSE(ErrorBody::Decode(ErrorBody{}.Encode()));
  EXPECT_FALSE(ErrorBody::Decode(ErrorBody{17, 0, ""}.Encode()));
  EXPECT_FALSE(AttachBody::Decode(AttachBody{0}.Encode()));
  EXPECT_FALSE(AttachBody::Decode(AttachBody{8}.Encode()));
  EXPECT_FALSE(UpgradeBody::Decode(UpgradeBody{"relative"}.Encode()));
  EXPECT_FALSE(ExitRecord::Decode(ExitRecord{256, 0, false, 1}.Encode()));
  EXPECT_FALSE(ExitRecord::Decode(ExitRecord{0, 200, false, 1}.Encode()));
  StatusBody status;
  status.state = static_cast<MonitorState>(9);
  EXPECT_FALSE(StatusBody::Decode(status.Encode()));
}

TEST(BodyTest, ATextLongerThanItsPacketIsRefused) {
  std::string bytes = UpgradeBody{"/x"}.Encode();
  bytes[3] = '\x7f';  // claims two gigabytes
  EXPECT_FALSE(UpgradeBody::Decode(bytes));
}

TEST(BodyTest, LongTextsAreCutToFitAPacket) {
  ErrorBody error;
  error.code = 2;
  error.text = std::string(100000, 'e');
  EXPECT_LE(error.Encode().size(), kMaxBody_bytes);
  EXPECT_TRUE(ErrorBody::Decode(error.Encode()));
}

TEST(ExitRecordTest, TextGoesAround) {
  const ExitRecord record{137, 9, true, 1'764'000'000'123'456'789};
  EXPECT_EQ(record.ToText(),
            "crisp-exit 1\ncode 137\nsignal 9\noom 1\nfinished_at_ns 1764000000123456789\nend\n");
  const auto parsed = ExitRecord::FromText(record.ToText());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->ToText(), record.ToText());
}

TEST(ExitRecordTest, EveryTruncationIsRefused) {
  const std::string text = ExitRecord{1, 0, false, 5}.ToText();
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ExitRecord::FromText(std::string_view(text).substr(0, size))) << size;
  }
}

TEST(ExitRecordTest, UnknownLinesOfTheSameVersionAreSkipped) {
  EXPECT_TRUE(ExitRecord::FromText(
      "crisp-exit 1\ncode 1\nsignal 0\noom 0\ncore_dumped 1\nfinished_at_ns 5\nend\n"));
}

TEST(ExitRecordTest, RubbishIsRefused) {
  for (const char* text : {
           "",
           "\n",
           "end\n",
           "crisp-exit 1\nend\n",
           "crisp-exit 2\ncode 1\n",
           "garbage\n",
           "crisp-exit 2\ncode 1\nsignal 0\noom 0\nfinished_at_ns 5\nend\n",
           "crisp-exit 1\ncode x\nsignal 0\noom 0\nfinished_at_ns 5\nend\n",
           "crisp-exit 1\ncode 1 \nsignal 0\noom 0\nfinished_at_ns 5\nend\n",
           "crisp-exit 1\ncode 300\nsignal 0\noom 0\nfinished_at_ns 5\nend\n",
           "crisp-exit 1\ncode -1\nsignal 0\noom 0\nfinished_at_ns 5\nend\n",
           "crisp-exit 1\ncode 1\nsignal 0\noom 2\nfinished_at_ns 5\nend\n",
           "crisp-exit 1\ncode 1\nsignal 0\noom 0\nfinished_at_ns -5\nend\n",
           "crisp-exit 1\ncode 1\nsignal 0\noom 0\nfinished_at_ns 99999999999999999999\nend\n",
       }) {
    EXPECT_FALSE(ExitRecord::FromText(text)) << text;
  }
  EXPECT_FALSE(ExitRecord::FromText(std::string(5000, 'a') + "\n"));
  EXPECT_FALSE(ExitRecord::FromText(std::string("\0\0\0\n", 4)));
}

TEST(PidFileTest, GoesAroundWithAndWithoutAContainer) {
  PidFile file;
  file.monitor_pid = 10;
  file.monitor_start_time = 20;
  EXPECT_EQ(file.ToText(), "crisp-pid 1\nmonitor 10 20\nend\n");
  auto parsed = PidFile::FromText(file.ToText());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->container_pid, 0);
  file.container_pid = 30;
  file.container_start_time = 40;
  parsed = PidFile::FromText(file.ToText());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->container_pid, 30);
  EXPECT_EQ(parsed->container_start_time, 40u);
}

TEST(PidFileTest, RubbishIsRefused) {
  for (const char* text : {"", "crisp-pid 1\nend\n", "crisp-pid 1\nmonitor 0 1\nend\n",
                           "crisp-pid 1\nmonitor -4 1\nend\n", "crisp-pid 1\nmonitor 4\nend\n",
                           "crisp-pid 1\nmonitor 4 5 6\nend\n", "crisp-pid 9\nmonitor 4 5\nend\n",
                           "crisp-pid 1\nmonitor 4 5\n"}) {
    EXPECT_FALSE(PidFile::FromText(text)) << text;
  }
}

}  // namespace
}  // namespace crisp::conmon
