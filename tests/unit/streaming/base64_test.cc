#include "server/streaming/base64.h"

#include <gtest/gtest.h>

#include "server/streaming/sha1.h"

namespace crisp::streaming {
namespace {

std::string Hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    out += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

TEST(Base64, EncodesRfc4648Vectors) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(EncodeBase64(plain, Base64Alphabet::kStandard), encoded);
  }
  EXPECT_EQ(EncodeBase64("\xfb\xff\xfe", Base64Alphabet::kUrl), "-__-");
  EXPECT_EQ(EncodeBase64("f", Base64Alphabet::kUrl), "Zg");
}

TEST(Base64, DecodesCutAnywhere) {
  std::string plain;
  for (int i = 0; i < 256; ++i) plain.push_back(static_cast<char>(i));
  for (size_t size : {0, 1, 2, 3, 4, 5, 256}) {
    const std::string text = EncodeBase64(plain.substr(0, size), Base64Alphabet::kStandard);
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      Base64Decoder decoder;
      std::string out;
      ASSERT_TRUE(decoder.Feed(text.substr(0, cut), &out).ok());
      ASSERT_TRUE(decoder.Feed(text.substr(cut), &out).ok()) << text << " at " << cut;
      ASSERT_TRUE(decoder.End().ok());
      ASSERT_EQ(out, plain.substr(0, size));
    }
  }
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text : {"Zg=x", "====", "Z===", "a b=", "Zm9v-w=="}) {
    Base64Decoder decoder;
    std::string out;
    EXPECT_FALSE(decoder.Feed(text, &out).ok() && decoder.End().ok()) << text;
  }
  Base64Decoder decoder;
  std::string out;
  ASSERT_TRUE(decoder.Feed("Zm9vY", &out).ok());
  EXPECT_FALSE(decoder.End().ok());
}

TEST(Sha1, StandardVectors) {
  EXPECT_EQ(Hex(Sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(Hex(Sha1("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(Hex(Sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(Hex(Sha1(std::string(1000, 'a'))), "291e9a6c66994949b57ba5e650361e98fc36b1ba");
}

}  // namespace
}  // namespace crisp::streaming
