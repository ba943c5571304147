// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/owned_fd.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <type_traits>
#include <utility>
#include <vector>

#include "qio/sendable.h"

namespace {

// Every close() of this program that names a descriptor we watch, and the error
// that it is to report after it has closed.
int watched_fd = -1;
int closes_of_watched = 0;
int error_after_close = 0;

}  // namespace

// Stands before the C library's: a test sees each close, and makes it fail.
extern "C" int close(int fd) {
  const long result = ::syscall(SYS_close, fd);
  if (fd != watched_fd) return static_cast<int>(result);
  ++closes_of_watched;
  if (error_after_close == 0) return static_cast<int>(result);
  errno = error_after_close;
  return -1;
}

namespace qio {
namespace {

static_assert(Sendable<OwnedFd>);
static_assert(Sendable<std::vector<OwnedFd>>);
static_assert(std::is_nothrow_move_constructible_v<OwnedFd>);
static_assert(std::is_nothrow_move_assignable_v<OwnedFd>);
static_assert(!std::is_copy_constructible_v<OwnedFd>);
static_assert(!std::is_copy_assignable_v<OwnedFd>);
static_assert(std::is_constructible_v<OwnedFd, int>);
static_assert(!std::is_convertible_v<int, OwnedFd>);
static_assert(!std::is_assignable_v<OwnedFd&, int>);
static_assert(!std::is_constructible_v<OwnedFd, long>);
static_assert(!std::is_constructible_v<OwnedFd, bool>);
static_assert(sizeof(OwnedFd) == sizeof(int));

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

// A descriptor whose closes are counted until the next one is made.
int WatchedFd() {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  BOOST_REQUIRE(fd >= 0);
  watched_fd = fd;
  closes_of_watched = 0;
  error_after_close = 0;
  return fd;
}

BOOST_AUTO_TEST_SUITE(OwnedFdTest)

BOOST_AUTO_TEST_CASE(Ch06_ClosesOnceAtItsEnd) {
  const int fd = WatchedFd();
  {
    OwnedFd owner(fd);
    BOOST_TEST(owner.valid());
    BOOST_TEST(owner.get() == fd);
    BOOST_TEST(IsOpen(fd));
  }
  BOOST_TEST(!IsOpen(fd));
  BOOST_TEST(closes_of_watched == 1);
}

BOOST_AUTO_TEST_CASE(Ch06_ACloseThatWasInterruptedIsNotRetried) {
  OwnedFd owner(WatchedFd());
  error_after_close = EINTR;
  owner.reset();
  BOOST_TEST(closes_of_watched == 1);
  BOOST_TEST(!owner.valid());
}

BOOST_AUTO_TEST_CASE(ClosingLeavesErrnoAlone) {
  OwnedFd owner(WatchedFd());
  error_after_close = EIO;
  errno = ENOENT;
  owner.reset();
  BOOST_TEST(errno == ENOENT);
  BOOST_TEST(closes_of_watched == 1);
}

BOOST_AUTO_TEST_CASE(ResettingTwiceClosesOnce) {
  OwnedFd owner(WatchedFd());
  owner.reset();
  owner.reset();
  BOOST_TEST(closes_of_watched == 1);
}

BOOST_AUTO_TEST_CASE(MovingHandsTheDescriptorOver) {
  const int fd = WatchedFd();
  OwnedFd first(fd);
  OwnedFd second(std::move(first));
  BOOST_TEST(!first.valid());
  BOOST_TEST(second.get() == fd);
  first.reset();
  BOOST_TEST(IsOpen(fd));
  second.reset();
  BOOST_TEST(closes_of_watched == 1);
}

BOOST_AUTO_TEST_CASE(AssigningClosesTheOldDescriptorAtOnce) {
  const int old_fd = WatchedFd();
  OwnedFd owner(old_fd);
  OwnedFd other(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int new_fd = other.get();
  owner = std::move(other);
  BOOST_TEST(closes_of_watched == 1);
  BOOST_TEST(owner.get() == new_fd);
  BOOST_TEST(!other.valid());
}

BOOST_AUTO_TEST_CASE(AssigningToItselfKeepsTheDescriptor) {
  const int fd = WatchedFd();
  OwnedFd owner(fd);
  OwnedFd& same = owner;
  owner = std::move(same);
  BOOST_TEST(owner.get() == fd);
  BOOST_TEST(closes_of_watched == 0);
}

BOOST_AUTO_TEST_CASE(ReleasingGivesTheDescriptorUp) {
  const int fd = WatchedFd();
  OwnedFd owner(fd);
  BOOST_TEST(owner.release() == fd);
  BOOST_TEST(!owner.valid());
  owner.reset();
  BOOST_TEST(closes_of_watched == 0);
  BOOST_TEST(IsOpen(fd));
  ::close(fd);
}

BOOST_AUTO_TEST_CASE(AFailedCallsResultIsNoDescriptor) {
  BOOST_TEST(!OwnedFd().valid());
  BOOST_TEST(!OwnedFd(-1).valid());
  BOOST_TEST(OwnedFd(-100).get() == -1);
}

BOOST_AUTO_TEST_CASE(DescriptorZeroIsOne) {
  OwnedFd owner(0);
  BOOST_TEST(owner.valid());
  BOOST_TEST(owner.release() == 0);
}

BOOST_AUTO_TEST_CASE(ADuplicateHasAnOwnerOfItsOwnAndIsClosedOnExec) {
  const int fd = WatchedFd();
  OwnedFd owner(fd);
  absl::StatusOr<OwnedFd> duplicate = owner.Duplicate();
  BOOST_REQUIRE(duplicate.ok());
  BOOST_TEST(duplicate->get() != fd);
  BOOST_TEST((::fcntl(duplicate->get(), F_GETFD) & FD_CLOEXEC) != 0);
  owner.reset();
  BOOST_TEST(closes_of_watched == 1);
  BOOST_TEST(IsOpen(duplicate->get()));
}

BOOST_AUTO_TEST_CASE(DuplicatingNothingIsAnErrorWithItsErrno) {
  absl::StatusOr<OwnedFd> duplicate = OwnedFd().Duplicate();
  BOOST_TEST(!duplicate.ok());
  BOOST_TEST(Errno(duplicate.status()) == EBADF);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
