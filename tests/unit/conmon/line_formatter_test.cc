#include "conmon/line_formatter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace crisp::conmon {
namespace {

struct Sink final : LineSink {
  void WriteLines(std::string_view lines) override {
    EXPECT_FALSE(lines.empty());
    EXPECT_EQ(lines.back(), '\n') << "a write must end with a whole record";
    text += lines;
    ++writes;
  }
  std::string text;
  int writes = 0;
};

struct Record {
  std::string time;
  std::string stream;
  char tag;
  std::string content;
};

std::vector<Record> Parse(std::string_view text) {
  std::vector<Record> records;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    EXPECT_GE(line.size(), kTimestampSize + 10) << line;
    if (line.size() < kTimestampSize + 10) return records;
    EXPECT_EQ(line[kTimestampSize], ' ');
    EXPECT_EQ(line[kTimestampSize + 7], ' ');
    EXPECT_EQ(line[kTimestampSize + 9], ' ') << "the space after the tag must stay";
    records.push_back({std::string(line.substr(0, kTimestampSize)),
                       std::string(line.substr(kTimestampSize + 1, 6)), line[kTimestampSize + 8],
                       std::string(line.substr(kTimestampSize + 10))});
  }
  return records;
}

// Feeds `chunks` as OutputStream does: what is left stands in front of the next chunk.
std::string FormatChunks(const std::vector<std::string>& chunks, size_t limit, size_t capacity,
                         int* writes = nullptr) {
  Sink sink;
  std::vector<char> buffer(capacity);
  LineFormatter formatter("stdout", limit);
  std::string carry;
  for (const std::string& chunk : chunks) {
    LogBatch batch(buffer.data(), buffer.size(), &sink);
    const std::string data = carry + chunk;
    const size_t used = formatter.Format(data, 0, &batch);
    batch.Flush();
    carry = data.substr(used);
    EXPECT_LE(carry.size(), limit);
  }
  LogBatch batch(buffer.data(), buffer.size(), &sink);
  formatter.Finish(carry, 0, &batch);
  batch.Flush();
  if (writes != nullptr) *writes = sink.writes;
  return sink.text;
}

constexpr char kPrefix[] = "1970-01-01T00:00:00.000000000Z stdout ";

TEST(LineFormatterTest, WholeLinesAreF) {
  EXPECT_EQ(FormatChunks({"one\ntwo\n"}, 100, 4096),
            std::string(kPrefix) + "F one\n" + kPrefix + "F two\n");
}

TEST(LineFormatterTest, AnEmptyLineKeepsTheSpace) {
  EXPECT_EQ(FormatChunks({"\n"}, 100, 4096), std::string(kPrefix) + "F \n");
}

TEST(LineFormatterTest, AnUnfinishedLineIsPAtTheEnd) {
  EXPECT_EQ(FormatChunks({"tail"}, 100, 4096), std::string(kPrefix) + "P tail\n");
  EXPECT_EQ(FormatChunks({}, 100, 4096), "");
}

TEST(LineFormatterTest, TheLimitIsExact) {
  const std::string exact(64, 'a');
  const auto whole = Parse(FormatChunks({exact + "\n"}, 64, 4096));
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].tag, 'F');
  const auto cut = Parse(FormatChunks({exact + "b\n"}, 64, 4096));
  ASSERT_EQ(cut.size(), 2u);
  EXPECT_EQ(cut[0].tag, 'P');
  EXPECT_EQ(cut[0].content, exact);
  EXPECT_EQ(cut[1].tag, 'F');
  EXPECT_EQ(cut[1].content, "b");
  const auto twice = Parse(FormatChunks({exact + exact + "\n"}, 64, 4096));
  ASSERT_EQ(twice.size(), 2u);
  EXPECT_EQ(twice[0].tag, 'P');
  EXPECT_EQ(twice[1].tag, 'F');
  EXPECT_EQ(twice[1].content, exact);
}

TEST(LineFormatterTest, BytesAreNotTouched) {
  std::string all;
  for (int c = 0; c < 256; ++c) {
    if (c != '\n') all.push_back(static_cast<char>(c));
  }
  const auto records = Parse(FormatChunks({all + "\n"}, 1024, 4096));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].content, all);
}

TEST(LineFormatterTest, ABatchIsOneWrite) {
  int writes = 0;
  FormatChunks({"a\nb\nc\nd\n"}, 100, 4096, &writes);
  EXPECT_EQ(writes, 1);
}

TEST(LineFormatterTest, AFullBufferIsFlushedBetweenRecords) {
  std::string input;
  for (int i = 0; i < 1000; ++i) input += std::string(static_cast<size_t>(i % 60), 'x') + "\n";
  // The smallest buffer that holds the longest record.
  EXPECT_EQ(FormatChunks({input}, 64, 64 + LineFormatter::kOverhead),
            FormatChunks({input}, 64, 1 << 20));
}

// The property that the log's readers rely on: how the container cut its writes is invisible.
TEST(LineFormatterTest, AnyChunkingGivesTheSameRecords) {
  std::mt19937 random(20261124);
  for (int round = 0; round < 300; ++round) {
    std::string input;
    const size_t size = random() % 3000;
    for (size_t i = 0; i < size; ++i) {
      input.push_back(random() % 40 == 0 ? '\n' : static_cast<char>('a' + random() % 26));
    }
    if (round % 3 == 0) input += std::string(random() % 500, 'L');
    const size_t limit = 64 + random() % 64;
    std::vector<std::string> chunks;
    for (size_t at = 0; at < input.size();) {
      const size_t n = 1 + random() % (round % 2 == 0 ? 7 : 900);
      chunks.push_back(input.substr(at, n));
      at += n;
    }
    const std::string whole = FormatChunks({input}, limit, 4096);
    ASSERT_EQ(FormatChunks(chunks, limit, 512), whole) << "round " << round;
    std::string joined;
    for (const Record& record : Parse(whole)) {
      ASSERT_LE(record.content.size(), limit);
      joined += record.content;
      if (record.tag == 'F') joined += '\n';
    }
    ASSERT_EQ(joined, input) << "round " << round;
  }
}

TEST(TimestampTest, KnownTimes) {
  const auto format = [](int64_t ns) {
    char text[kTimestampSize];
    FormatTimestamp(ns, text);
    return std::string(text, sizeof(text));
  };
  EXPECT_EQ(format(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(format(1), "1970-01-01T00:00:00.000000001Z");
  EXPECT_EQ(format(int64_t{951'827'696} * 1'000'000'000 + 123'456'789),
            "2000-02-29T12:34:56.123456789Z");
  EXPECT_EQ(format(int64_t{1'795'514'399} * 1'000'000'000 + 999'999'999),
            "2026-11-24T09:59:59.999999999Z");
}

}  // namespace
}  // namespace crisp::conmon
