#include "server/spdy/headers.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <zlib.h>

#include "recorder.h"
#include "server/spdy/dictionary.h"
#include "server/spdy/header_inflater.h"
#include "tests/support/spdy_client.h"

namespace crisp::spdy {
namespace {

using test::SpdyDeflater;
using test::SpdyHeaderBlock;

constexpr size_t kMaxBytes = 64 * 1024;

TEST(DictionaryTest, IsTheOneOfSpdy3) {
  EXPECT_EQ(kDictionary.size(), 1423u);
  EXPECT_EQ(adler32(adler32(0, nullptr, 0), kDictionary.data(), kDictionary.size()), 0xe3c6a7c2u);
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(kDictionary.data(), kDictionary.size(), reinterpret_cast<unsigned char*>(digest.data()));
  EXPECT_EQ(ToHex(digest), "51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02");
}

TEST(HeadersTest, NamesAreLowerCasedAndValuesSplit) {
  Result<Headers> headers = ParseHeaders(
      SpdyHeaderBlock({{"streamType", "error"}, {"Port", std::string("80\0 81\0", 7)}, {"x", ""}}),
      10);
  ASSERT_TRUE(headers.ok()) << headers.status().ToString();
  EXPECT_EQ(
      headers->all(),
      (std::vector<Header>{{"streamtype", {"error"}}, {"port", {"80", " 81", ""}}, {"x", {""}}}));
  EXPECT_EQ(headers->Find("streamtype"), "error");
  EXPECT_EQ(headers->Find("port"), "80");
  EXPECT_EQ(headers->Find("x"), "");
  EXPECT_EQ(headers->Find("requestid"), std::nullopt);
  Result<Headers> again = ParseHeaders(EncodeHeaders(*headers), 10);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, *headers);
}

TEST(HeadersTest, RefusesWhatDoesNotFit) {
  const std::string good = SpdyHeaderBlock({{"a", "b"}});
  for (size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_EQ(ParseHeaders(good.substr(0, cut), 10).status().code(), Code::kInvalidArgument) << cut;
  }
  EXPECT_EQ(ParseHeaders(good + '\0', 10).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(ParseHeaders(SpdyHeaderBlock({{"", "b"}}), 10).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(ParseHeaders(SpdyHeaderBlock({{"a", "b"}, {"A", "c"}}), 10).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(ParseHeaders(FromHex("00000001 ffffffff 61"), 10).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(ParseHeaders(FromHex("ffffffff"), 10).status().code(), Code::kResourceExhausted);
  EXPECT_TRUE(ParseHeaders(FromHex("00000000"), 10).ok());
}

TEST(HeaderInflaterTest, TestVectors) {
  SpdyDeflater empty;
  const std::string block = SpdyHeaderBlock({});
  EXPECT_EQ(ToHex(empty.Deflate(block)), "78f9e3c6a7c202a6230600000000ffff");
  EXPECT_EQ(ToHex(empty.Deflate(block)), "020100000000ffff");
  SpdyDeflater error;
  EXPECT_EQ(ToHex(error.Deflate(SpdyHeaderBlock({{"streamtype", "error"}}))),
            "78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff");

  HeaderInflater inflater(kMaxBytes);
  Result<std::string_view> out =
      inflater.Inflate(FromHex("78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff"));
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ(*out, SpdyHeaderBlock({{"streamtype", "error"}}));
  HeaderInflater inflater2(kMaxBytes);
  out = inflater2.Inflate(FromHex("78f9e3c6a7c202a6230600000000ffff"));
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ(*out, block);
  out = inflater2.Inflate(FromHex("020100000000ffff"));
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ(*out, block);
}

TEST(HeaderInflaterTest, OneContextOverManyBlocksOfAllSizes) {
  SpdyDeflater deflater;
  HeaderInflater inflater(kMaxBytes);
  std::string value;
  for (int i = 0; i < 300; ++i) {
    value += static_cast<char>('a' + i * i % 26);
    const std::string block = SpdyHeaderBlock({{"n", std::to_string(i)}, {"v", value}});
    Result<std::string_view> out = inflater.Inflate(deflater.Deflate(block));
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ(*out, block);
  }
  for (size_t size : {4095, 4096, 4097, 8191, 8192, 65536}) {  // around the inner buffer's size
    Result<std::string_view> out = inflater.Inflate(deflater.Deflate(std::string(size, 'x')));
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ(out->size(), size);
  }
}

TEST(HeaderInflaterTest, ABombIsStoppedEarly) {
  SpdyDeflater deflater;
  const std::string bomb = deflater.Deflate(std::string(30 << 20, '\0'));
  ASSERT_LT(bomb.size(), 64u * 1024);
  HeaderInflater inflater(kMaxBytes);
  EXPECT_EQ(inflater.Inflate(bomb).status().code(), Code::kResourceExhausted);
  // Out of step for good.
  EXPECT_EQ(inflater.Inflate(deflater.Deflate("x")).status().code(), Code::kResourceExhausted);
}

TEST(HeaderInflaterTest, RefusesWhatIsNoBlock) {
  const auto inflate = [](std::string_view block) {
    HeaderInflater inflater(kMaxBytes);
    return inflater.Inflate(block).status().code();
  };
  EXPECT_EQ(inflate("not zlib at all"), Code::kInvalidArgument);
  // The DICTID of another dictionary.
  EXPECT_EQ(inflate(FromHex("78f9e3c6a7c302a6230600000000ffff")), Code::kInvalidArgument);
  SpdyDeflater finished;
  EXPECT_EQ(inflate(finished.Deflate("end", Z_FINISH)), Code::kInvalidArgument);
  SpdyDeflater twice;
  EXPECT_EQ(inflate(twice.Deflate("end", Z_FINISH) + "and more"), Code::kInvalidArgument);
  SpdyDeflater flipped;
  std::string block = flipped.Deflate("some header block");
  block[6] = static_cast<char>(block[6] | 0x07);  // block type 3
  EXPECT_EQ(inflate(block), Code::kInvalidArgument);
}

}  // namespace
}  // namespace crisp::spdy
