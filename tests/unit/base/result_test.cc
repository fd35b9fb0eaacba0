#include "base/core/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace crisp {
namespace {

TEST(StatusTest, OkIsEmpty) {
  const Status ok;
  EXPECT_TRUE(ok.ok());
  EXPECT_EQ(ok.code(), Code::kOk);
  EXPECT_EQ(ok.sys_errno(), 0);
  EXPECT_EQ(ok.message(), "");
  EXPECT_EQ(ok.ToString(), "OK");
  EXPECT_TRUE(Status(Code::kOk, "ignored").ok());
}

TEST(StatusTest, CodesHaveGrpcsNumbersAndNames) {
  EXPECT_EQ(static_cast<int>(Code::kNotFound), 5);
  EXPECT_EQ(static_cast<int>(Code::kFailedPrecondition), 9);
  EXPECT_EQ(static_cast<int>(Code::kUnauthenticated), 16);
  EXPECT_EQ(CodeName(Code::kNotFound), "NOT_FOUND");
  EXPECT_EQ(CodeName(Code::kUnauthenticated), "UNAUTHENTICATED");
  EXPECT_EQ(CodeName(static_cast<Code>(99)), "UNKNOWN");
}

TEST(StatusTest, CopiesAreIndependent) {
  Status original = NotFound("container ", 7);
  Status copy = original;
  original = std::move(original).Wrap("outer");
  EXPECT_EQ(copy.message(), "container 7");
  EXPECT_EQ(original.message(), "outer: container 7");
  copy = original;
  const Status& alias = copy;
  copy = alias;
  EXPECT_EQ(copy.message(), "outer: container 7");
  copy = OkStatus();
  EXPECT_TRUE(copy.ok());
}

TEST(StatusTest, WrapKeepsCodeAndErrno) {
  errno = ENOENT;
  Status status = Errno("open ", "/x").Wrap("run pod ", "web-", 0);
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_EQ(status.sys_errno(), ENOENT);
  EXPECT_EQ(status.ToString(), "NOT_FOUND: run pod web-0: open /x: No such file or directory");
  EXPECT_TRUE(OkStatus().Wrap("never seen").ok());
}

TEST(StatusTest, WithCodeCannotMakeAnErrorOk) {
  EXPECT_EQ(Internal("x").WithCode(Code::kUnavailable).code(), Code::kUnavailable);
  EXPECT_EQ(Internal("x").WithCode(Code::kOk).code(), Code::kInternal);
  EXPECT_TRUE(OkStatus().WithCode(Code::kInternal).ok());
}

TEST(StatusTest, ErrnoCodes) {
  const std::pair<int, Code> cases[] = {
      {EEXIST, Code::kAlreadyExists},     {EPERM, Code::kPermissionDenied},
      {ENOSPC, Code::kResourceExhausted}, {ETIMEDOUT, Code::kDeadlineExceeded},
      {EINVAL, Code::kInvalidArgument},   {ECONNREFUSED, Code::kUnavailable},
      {ECANCELED, Code::kCancelled},      {EIO, Code::kInternal}};
  for (const auto& [error, code] : cases) EXPECT_EQ(ErrnoStatus(error, "x").code(), code) << error;
}

Result<std::unique_ptr<int>> MakeInt(int value) {
  if (value < 0) return InvalidArgument("negative");
  return std::make_unique<int>(value);
}

Result<int> Sum(int a, int b) {
  // Nested uses, of move-only values, in one expression.
  return *CRISP_TRY(MakeInt(*CRISP_TRY(MakeInt(a)) + *CRISP_TRY(MakeInt(b))));
}

Status Check(int value) {
  CRISP_RETURN_IF_ERROR([&]() -> Status {
    CRISP_RETURN_IF_ERROR(Sum(value, 0).status());
    return OkStatus();
  }());
  return OkStatus();
}

TEST(ResultTest, TryAndReturnIfError) {
  EXPECT_EQ(Sum(2, 3).value(), 5);
  EXPECT_EQ(Sum(2, -3).status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(Check(1).ok());
  EXPECT_EQ(Check(-1).message(), "negative");
}

TEST(ResultTest, OkStatusIsNoResult) {
  const Result<int> result = OkStatus();
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), Code::kInternal);
}

TEST(ResultTest, AccessAndWrap) {
  Result<std::string> text = std::string("abc");
  EXPECT_EQ(text->size(), 3u);
  *text += "d";
  EXPECT_EQ(std::move(text).Wrap("x").value(), "abcd");
  EXPECT_EQ(Result<int>(NotFound("b")).Wrap("a ", 1).status().message(), "a 1: b");
}

}  // namespace
}  // namespace crisp
