// Result<T> and Status: the only way a crisp function reports failure.
//
// What:    Status carries a Code with gRPC's numbers, an errno (0 when none) and a message that
// reads
//          outside-in ("run pod web-0: cni ADD bridge: exec /opt/cni/bin/bridge: No such file
//          ..."). Result<T> is a T or a non-OK Status.
// Threads: plain values; no sharing.
// Errors:  decisions are made on code() and sys_errno(), never on message().
// After a failure: the Status owns its message, the Result has no value.
#ifndef CRISP_BASE_CORE_RESULT_H_
#define CRISP_BASE_CORE_RESULT_H_

#include <cerrno>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace crisp {

// gRPC status codes (grpc/doc/statuscodes.md), so that the server maps them by number.
enum class Code : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "NOT_FOUND" and so on; for logs and metrics labels.
std::string_view CodeName(Code code);

// Concatenates strings, characters and integers; the one string builder that base/core needs.
namespace internal {
inline void AppendPiece(std::string* out, std::string_view piece) { out->append(piece); }
inline void AppendPiece(std::string* out, char piece) { out->push_back(piece); }
template <typename T>
requires(std::integral<T> && !std::same_as<T, char> &&
         !std::same_as<T, bool>) void AppendPiece(std::string* out, T piece) {
  out->append(std::to_string(piece));
}
}  // namespace internal

template <typename... Pieces>
std::string Cat(const Pieces&... pieces) {
  std::string out;
  (internal::AppendPiece(&out, pieces), ...);
  return out;
}

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message, int sys_errno = 0);
  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  bool ok() const { return rep_ == nullptr; }
  Code code() const { return rep_ ? rep_->code : Code::kOk; }
  int sys_errno() const { return rep_ ? rep_->sys_errno : 0; }
  const std::string& message() const;
  // "NOT_FOUND: container abc" or "OK".
  std::string ToString() const;

  // Prefixes the message with `pieces` and ": "; code and errno stay. Nothing happens when OK.
  template <typename... Pieces>
  Status Wrap(const Pieces&... pieces) && {
    if (rep_) rep_->message = Cat(pieces..., ": ", rep_->message);
    return std::move(*this);
  }
  // Same message, other code: for a caller that knows better what the failure means.
  Status WithCode(Code code) &&;

 private:
  struct Rep {
    Code code;
    int sys_errno;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

inline Status OkStatus() { return Status(); }

// A Status from errno: "<what>: <strerror>". The code follows from errno (ENOENT: kNotFound,
// EEXIST: kAlreadyExists, EACCES/EPERM: kPermissionDenied, ENOSPC/EMFILE/...: kResourceExhausted,
// ETIMEDOUT: kDeadlineExceeded, EINVAL: kInvalidArgument, else kInternal).
Status ErrnoStatus(int sys_errno, std::string_view what);
template <typename... Pieces>
Status Errno(const Pieces&... what) {
  const int saved = errno;
  return ErrnoStatus(saved, Cat(what...));
}

template <typename... Pieces>
Status InvalidArgument(const Pieces&... p) {
  return Status(Code::kInvalidArgument, Cat(p...));
}
template <typename... Pieces>
Status NotFound(const Pieces&... p) {
  return Status(Code::kNotFound, Cat(p...));
}
template <typename... Pieces>
Status AlreadyExists(const Pieces&... p) {
  return Status(Code::kAlreadyExists, Cat(p...));
}
template <typename... Pieces>
Status FailedPrecondition(const Pieces&... p) {
  return Status(Code::kFailedPrecondition, Cat(p...));
}
template <typename... Pieces>
Status Internal(const Pieces&... p) {
  return Status(Code::kInternal, Cat(p...));
}
template <typename... Pieces>
Status Unavailable(const Pieces&... p) {
  return Status(Code::kUnavailable, Cat(p...));
}
template <typename... Pieces>
Status DeadlineExceeded(const Pieces&... p) {
  return Status(Code::kDeadlineExceeded, Cat(p...));
}
template <typename... Pieces>
Status Cancelled(const Pieces&... p) {
  return Status(Code::kCancelled, Cat(p...));
}
template <typename... Pieces>
Status ResourceExhausted(const Pieces&... p) {
  return Status(Code::kResourceExhausted, Cat(p...));
}
template <typename... Pieces>
Status Unimplemented(const Pieces&... p) {
  return Status(Code::kUnimplemented, Cat(p...));
}
template <typename... Pieces>
Status DataLoss(const Pieces&... p) {
  return Status(Code::kDataLoss, Cat(p...));
}

template <typename T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose: `return value;` and `return status;` are how functions end.
  Result(T value) : value_(std::move(value)) {}         // NOLINT
  Result(Status status) : status_(std::move(status)) {  // NOLINT
    if (status_.ok()) status_ = Internal("Result built from an OK status");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  // Precondition: ok().
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T value() && { return std::move(*value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

  template <typename... Pieces>
  Result<T> Wrap(const Pieces&... pieces) && {
    if (!ok()) status_ = std::move(status_).Wrap(pieces...);
    return std::move(*this);
  }

 private:
  std::optional<T> value_;
  Status status_;
};

// A name of its own for each use, so that uses nest (in an argument, in a lambda).
#define CRISP_INTERNAL_CAT_(a, b) a##b
#define CRISP_INTERNAL_CAT(a, b) CRISP_INTERNAL_CAT_(a, b)

// Ends the enclosing function with the Status of `expr` when that is not OK.
#define CRISP_RETURN_IF_ERROR(expr) \
  CRISP_INTERNAL_RETURN_IF_ERROR(CRISP_INTERNAL_CAT(crisp_status_, __COUNTER__), expr)
#define CRISP_INTERNAL_RETURN_IF_ERROR(name, expr)              \
  do {                                                          \
    if (::crisp::Status name = (expr); !name.ok()) return name; \
  } while (false)

// The value of a Result, or the end of the enclosing function: `UniqueFd fd = CRISP_TRY(Open(p));`
#define CRISP_TRY(expr) CRISP_INTERNAL_TRY(CRISP_INTERNAL_CAT(crisp_result_, __COUNTER__), expr)
#define CRISP_INTERNAL_TRY(name, expr)               \
  __extension__({                                    \
    auto name = (expr);                              \
    if (!name.ok()) return std::move(name).status(); \
    std::move(name).value();                         \
  })

}  // namespace crisp

#endif  // CRISP_BASE_CORE_RESULT_H_
