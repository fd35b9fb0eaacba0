#include "image/pull/decompress.h"

#include <gtest/gtest.h>

#include <thread>

#include "tar_builder.h"

namespace crisp::image {
namespace {

Result<std::string> Plain(const std::string& compressed, size_t piece) {
  BufferRing ring(4, 4096);
  std::thread worker([&] {
    TextStream in(compressed, piece);
    ring.Finish(Decompress(in, ring));
  });
  std::string out;
  Status status;
  for (;;) {
    const auto bytes = ring.Next();
    if (!bytes.ok() || bytes->empty()) {
      status = bytes.status();
      break;
    }
    out.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
  worker.join();
  if (!status.ok()) return status;
  return out;
}

std::string Sample() {
  std::string out;
  for (int i = 0; i < 20000; ++i) out += std::to_string(i * 7919 % 10007) + (i % 17 ? "," : "\n");
  return out;
}

class DecompressPieces : public testing::TestWithParam<size_t> {};

TEST_P(DecompressPieces, GivesThePlainBytes) {
  const std::string plain = Sample();
  for (const std::string& packed : {Gzip(plain), Zstd(plain), plain}) {
    const auto out = Plain(packed, GetParam());
    ASSERT_TRUE(out.ok()) << out.status().message();
    EXPECT_EQ(*out, plain);
  }
}

TEST_P(DecompressPieces, TakesSeveralMembersAndFrames) {
  const std::string plain = Sample();
  const auto gzip = Plain(Gzip(plain) + Gzip("") + Gzip("tail"), GetParam());
  ASSERT_TRUE(gzip.ok()) << gzip.status().message();
  EXPECT_EQ(*gzip, plain + "tail");
  const auto zstd = Plain(Zstd(plain) + Zstd("tail"), GetParam());
  ASSERT_TRUE(zstd.ok()) << zstd.status().message();
  EXPECT_EQ(*zstd, plain + "tail");
  const auto padded = Plain(Gzip(plain) + std::string(700, '\0'), GetParam());
  ASSERT_TRUE(padded.ok()) << padded.status().message();
  EXPECT_EQ(*padded, plain);
}

TEST_P(DecompressPieces, SeesEveryCut) {
  const std::string plain = Sample().substr(0, 5000);
  for (const std::string& packed : {Gzip(plain), Zstd(plain)}) {
    for (size_t length :
         {size_t{4}, size_t{11}, packed.size() / 2, packed.size() - 9, packed.size() - 1}) {
      const auto out = Plain(packed.substr(0, length), GetParam());
      EXPECT_EQ(out.status().code(), Code::kDataLoss) << length << " of " << packed.size();
    }
  }
}

// A context that has seen a part of a frame serves the next stream.
TEST_P(DecompressPieces, ABrokenStreamDoesNotReachTheNextOne) {
  const std::string packed = Zstd(Sample());
  EXPECT_FALSE(Plain(packed.substr(0, packed.size() / 2), GetParam()).ok());
  const auto out = Plain(packed, GetParam());
  ASSERT_TRUE(out.ok()) << out.status().message();
  EXPECT_EQ(*out, Sample());
}

INSTANTIATE_TEST_SUITE_P(Sizes, DecompressPieces, testing::Values(5, 100, 4096, 1 << 20));

TEST(Decompress, SeesDamage) {
  std::string gzip = Gzip(Sample());
  gzip[gzip.size() / 2] = static_cast<char>(gzip[gzip.size() / 2] ^ 0x55);
  EXPECT_EQ(Plain(gzip, 4096).status().code(), Code::kDataLoss);
  EXPECT_EQ(Plain(Gzip("x") + "garbage", 4096).status().code(), Code::kDataLoss);
  // zstd frames need not carry a checksum: there the digests decide.
  EXPECT_EQ(Plain(Zstd(Sample()) + "garbage", 4096).status().code(), Code::kDataLoss);
}

TEST(Decompress, EmptyInputIsPlain) {
  const auto out = Plain("", 10);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(*out, "");
}

TEST(BufferRing, AbortStopsTheProducer) {
  BufferRing ring(2, 16);
  std::thread producer([&] {
    Status status;
    while (status.ok()) status = ring.Write(Bytes(reinterpret_cast<const uint8_t*>("abcd"), 4));
    EXPECT_EQ(status.code(), Code::kCancelled);
    ring.Finish(OkStatus());
  });
  ASSERT_TRUE(ring.Next().ok());
  ring.Abort();
  producer.join();
}

TEST(BufferRing, ErrorComesBehindTheData) {
  BufferRing ring(4, 16);
  ASSERT_TRUE(ring.Write(Bytes(reinterpret_cast<const uint8_t*>("abcd"), 4)).ok());
  ring.Finish(DataLoss("cut"));
  const auto data = ring.Next();
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->size(), 4u);
  EXPECT_EQ(ring.Next().status().code(), Code::kDataLoss);
  EXPECT_EQ(ring.Next().status().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace crisp::image
