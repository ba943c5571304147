// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/owned_fd.h
//
// OwnedFd is the one owner of a file descriptor, and closes it when it ends.
// Use it wherever a descriptor changes hands. An int only names a descriptor
// that somebody else owns, for the length of a call.
//
//   qio::OwnedFd fd(::open(path, O_RDONLY | O_CLOEXEC));
//   if (!fd.valid()) return qio::ErrnoStatus(errno, "open");
//   RunInThread(on, [](qio::OwnedFd fd) { return ReadAll(fd); }, std::move(fd))
//
// Affinity:  any thread, one at a time; the const functions, several at once.

#ifndef QIO_OWNED_FD_H_
#define QIO_OWNED_FD_H_

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <concepts>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {

class OwnedFd {
 public:
  using qio_sendable = OwnedFd;

  // Owns nothing.
  OwnedFd() noexcept = default;

  // Takes over `fd`, which nobody else may close from here on. A negative one,
  // such as a failed system call returns, is no descriptor. Only an int will
  // do, and only by name.
  explicit OwnedFd(int fd) noexcept : fd_(fd < 0 ? -1 : fd) {}
  template <std::integral Int>
  OwnedFd(Int) = delete;  // qio: an int owns no fd; use OwnedFd(fd)

  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd(const OwnedFd&) = delete;  // qio: a descriptor has one owner; move it

  // By value, so that assigning a copy or an int meets the sentences above.
  OwnedFd& operator=(OwnedFd other) noexcept;

  ~OwnedFd() { reset(); }

  // OwnedFd::Duplicate()
  //
  // A second descriptor, with an owner of its own, for the same open file:
  // offset and flags (O_NONBLOCK too) are shared. It is closed on exec.
  //
  // Errors:  what fcntl(F_DUPFD_CLOEXEC) reports, with its errno.
  absl::StatusOr<OwnedFd> Duplicate() const;

  // Gives the descriptor up: the caller owns it now. -1 if there is none.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  // Closes the descriptor, if there is one. Leaves errno alone.
  void reset() noexcept;

  // The descriptor, which stays owned here; -1 if there is none.
  int get() const noexcept { return fd_; }

  bool valid() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// ---------------------------------------------------------------------------

inline OwnedFd& OwnedFd::operator=(OwnedFd other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

inline absl::StatusOr<OwnedFd> OwnedFd::Duplicate() const {
  OwnedFd duplicate(::fcntl(fd_, F_DUPFD_CLOEXEC, 0));
  if (!duplicate.valid()) {
    const int error = errno;
    return ErrnoStatus(error, "duplicate descriptor " + std::to_string(fd_));
  }
  return duplicate;
}

inline void OwnedFd::reset() noexcept {
  if (!valid()) return;
  const int saved_errno = errno;
  // Once, also if it fails with EINTR: Linux has freed the number by then, and
  // a second close could hit the file that another thread just opened.
  ::close(release());
  errno = saved_errno;
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_OWNED_FD_H_
