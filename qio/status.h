// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/status.h
//
// The Status that a call returns, the errors that qio makes, and the errno that
// one carries.
//
//   absl::Status status = channel.ShutdownWrite(on);
//   if (qio::Errno(status) == EPIPE) ...
//
// Affinity:  any thread, all of it.

#ifndef QIO_STATUS_H_
#define QIO_STATUS_H_

#include <cerrno>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "qio/config.h"

namespace qio::inline QIO_ABI {

// Status
//
// What a call returns that may fail at once: an absl::Status that tells who
// ignores it what to do. Keep it as an absl::Status. It is a type of its own
// because the attribute of absl::Status has no words, and clang prefers that of
// a class to that of a function. The result of a task is an absl::Status.
class [[nodiscard("qio: it can fail; look at its Status")]] Status {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): one is the other.
  Status(absl::Status status) noexcept : status_(std::move(status)) {}

  // NOLINTNEXTLINE(google-explicit-constructor)
  operator absl::Status() const& noexcept { return status_; }
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator absl::Status() && noexcept { return std::move(status_); }

  bool ok() const noexcept { return status_.ok(); }
  absl::StatusCode code() const { return status_.code(); }
  absl::string_view message() const { return status_.message(); }
  std::string ToString() const { return status_.ToString(); }
  void IgnoreError() const noexcept {}

 private:
  absl::Status status_;
};

// ErrnoStatus()
//
// The status of a system call that failed with `error`, an errno value; `what`
// names the call and its object ("bind to 127.0.0.1:80"). Errno() gives the
// number back. Without memory it has neither text nor number, but its code.
inline absl::Status ErrnoStatus(int error, std::string_view what);

// The errno that `status` carries, or 0 if it carries none.
inline int Errno(const absl::Status& status);

// Closed: the loop, pool or channel that was asked has ended.
inline absl::Status ClosedError(std::string_view what);

// Busy: a limit is reached, or somebody else is using it; later may succeed.
inline absl::Status BusyError(std::string_view what);

// Shutdown: a pool that was stopped takes no more work.
inline absl::Status ShutdownError(std::string_view what);

// WouldBlock: nothing can be transferred now; its Errno() is EAGAIN.
inline absl::Status WouldBlockError(std::string_view what);

// ---------------------------------------------------------------------------

namespace internal_status {

// Key of the payload that holds the number, in decimal.
inline constexpr char kErrnoPayload[] = "qio/errno";

inline absl::StatusCode CodeOf(int error) {
  switch (error) {
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETRESET:
    case ENOTCONN:
      return absl::StatusCode::kUnavailable;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
      return absl::StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
    case EADDRINUSE:
      return absl::StatusCode::kAlreadyExists;
    case EINVAL:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case ENAMETOOLONG:
    case EDESTADDRREQ:
      return absl::StatusCode::kInvalidArgument;
    case EBADF:
    case ENOTSOCK:
    case EISCONN:
      return absl::StatusCode::kFailedPrecondition;
    case ETIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case ECANCELED:
      return absl::StatusCode::kCancelled;
    case ENOSYS:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kUnknown;
  }
}

// Debian's Abseil has a string_view of its own.
inline absl::Status Make(absl::StatusCode code, std::string_view text) {
  return absl::Status(code, absl::string_view(text.data(), text.size()));
}

// What `make` makes; or without memory a status of `code` without text.
template <class Make>
absl::Status MakeOrCode(absl::StatusCode code, Make make) noexcept {
#if defined(__cpp_exceptions)
  try {
    return make();
  } catch (const std::bad_alloc&) {
    return absl::Status(code, absl::string_view());
  }
#else
  (void)code;
  return make();
#endif
}

}  // namespace internal_status

inline absl::Status ErrnoStatus(int error, std::string_view what) {
  const absl::StatusCode code = internal_status::CodeOf(error);
  return internal_status::MakeOrCode(code, [error, code, what] {
    absl::Status status =
        internal_status::Make(code, std::string(what) + ": " +
                                        std::generic_category().message(error));
    const std::string number = std::to_string(error);
    status.SetPayload(internal_status::kErrnoPayload,
                      absl::Cord(absl::string_view(number)));
    return status;
  });
}

inline int Errno(const absl::Status& status) {
  if (status.ok()) return 0;
  absl::optional<absl::Cord> payload =
      status.GetPayload(internal_status::kErrnoPayload);
  return payload ? std::stoi(std::string(*payload)) : 0;
}

inline absl::Status ClosedError(std::string_view what) {
  return internal_status::Make(absl::StatusCode::kFailedPrecondition, what);
}

inline absl::Status BusyError(std::string_view what) {
  return internal_status::Make(absl::StatusCode::kResourceExhausted, what);
}

inline absl::Status ShutdownError(std::string_view what) {
  return internal_status::Make(absl::StatusCode::kUnavailable, what);
}

inline absl::Status WouldBlockError(std::string_view what) {
  return ErrnoStatus(EAGAIN, what);
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_STATUS_H_
