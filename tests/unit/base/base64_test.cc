#include "base/base64.h"

#include <gtest/gtest.h>

namespace crisp {
namespace {

TEST(Base64, EncodesRfc4648Vectors) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(EncodeBase64(plain), encoded);
  }
  EXPECT_EQ(EncodeBase64("\xfb\xff\xfe", Base64Alphabet::kUrl), "-__-");
  EXPECT_EQ(EncodeBase64("f", Base64Alphabet::kUrl), "Zg");
}

TEST(Base64, DecodesCutAnywhere) {
  std::string plain;
  for (int i = 0; i < 256; ++i) plain.push_back(static_cast<char>(i));
  for (size_t size : {0, 1, 2, 3, 4, 5, 256}) {
    const std::string text = EncodeBase64(plain.substr(0, size));
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

TEST(Base64, DecodesWholeTextsOfOthers) {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xff\x80\x01"}) {
    EXPECT_EQ(DecodeBase64(EncodeBase64(text)), text);
  }
  EXPECT_EQ(DecodeBase64("Zm9vYg"), "foob") << "padding or none";
  EXPECT_EQ(DecodeBase64("Zm9vYg==\n"), "foob");
  EXPECT_EQ(DecodeWrappedBase64("Zm9v\n Yg=="), "foob");
  for (const char* text : {"Zm9v Yg==", "Zm9v\nYg==", "Zm9=v", "-_-_", "Zm9\x80"}) {
    EXPECT_EQ(DecodeBase64(text), std::nullopt) << text;
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

}  // namespace
}  // namespace crisp
