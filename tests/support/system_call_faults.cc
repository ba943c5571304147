// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/support/system_call_faults.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <string_view>

namespace qio::support {
namespace {

struct Fault {
  std::string_view call;
  int kth = 0;
  int error = 0;
  int times = 0;
};

// Written while there is no fault, and read while there is.
Fault fault;
std::atomic<bool> armed{false};
std::atomic<int> calls_so_far{0};

// The errno with which this call is to fail, or 0.
int FaultOf(std::string_view call) {
  // Pairs with the release in the constructor.
  if (!armed.load(std::memory_order_acquire) || call != fault.call) return 0;
  const int number = calls_so_far.fetch_add(1, std::memory_order_relaxed);
  const int after = number - fault.kth;
  return after >= 0 && after < fault.times ? fault.error : 0;
}

bool Fails(std::string_view call) {
  const int error = FaultOf(call);
  if (error != 0) errno = error;
  return error != 0;
}

}  // namespace

SystemCallFaults::SystemCallFaults(std::string_view call, int kth, int error,
                                   int times) {
  fault = {call, kth, error, times};
  calls_so_far.store(0, std::memory_order_relaxed);
  armed.store(true, std::memory_order_release);
}

SystemCallFaults::~SystemCallFaults() {
  armed.store(false, std::memory_order_release);
}

int SystemCallFaults::calls() const {
  return calls_so_far.load(std::memory_order_relaxed);
}

}  // namespace qio::support

using qio::support::Fails;
using qio::support::FaultOf;

// The linker's names.
// NOLINTBEGIN
#define QIO_WRAP(result, name, parameters, arguments) \
  result __real_##name parameters;                    \
  result __wrap_##name parameters {                   \
    if (Fails(#name)) return static_cast<result>(-1); \
    return __real_##name arguments;                   \
  }

extern "C" {

QIO_WRAP(int, epoll_create1, (int flags), (flags))
QIO_WRAP(int, epoll_ctl, (int epoll, int operation, int fd, epoll_event* event),
         (epoll, operation, fd, event))
QIO_WRAP(int, epoll_wait, (int epoll, epoll_event* events, int max, int ms),
         (epoll, events, max, ms))
QIO_WRAP(int, eventfd, (unsigned count, int flags), (count, flags))
QIO_WRAP(int, timerfd_create, (int clock, int flags), (clock, flags))
QIO_WRAP(int, timerfd_settime,
         (int fd, int flags, const itimerspec* time, itimerspec* before),
         (fd, flags, time, before))
QIO_WRAP(ssize_t, read, (int fd, void* data, std::size_t size),
         (fd, data, size))
QIO_WRAP(int, poll, (pollfd * fds, nfds_t count, int ms), (fds, count, ms))
QIO_WRAP(int, madvise, (void* at, std::size_t size, int advice),
         (at, size, advice))

QIO_WRAP(int, socket, (int family, int type, int protocol),
         (family, type, protocol))
QIO_WRAP(int, accept4, (int fd, sockaddr* address, socklen_t* size, int flags),
         (fd, address, size, flags))
QIO_WRAP(int, bind, (int fd, const sockaddr* address, socklen_t size),
         (fd, address, size))
QIO_WRAP(int, listen, (int fd, int backlog), (fd, backlog))
QIO_WRAP(ssize_t, recv, (int fd, void* data, std::size_t size, int flags),
         (fd, data, size, flags))
QIO_WRAP(ssize_t, send, (int fd, const void* data, std::size_t size, int flags),
         (fd, data, size, flags))
QIO_WRAP(int, shutdown, (int fd, int how), (fd, how))
QIO_WRAP(int, setsockopt,
         (int fd, int level, int option, const void* value, socklen_t size),
         (fd, level, option, value, size))
QIO_WRAP(int, getsockopt,
         (int fd, int level, int option, void* value, socklen_t* size),
         (fd, level, option, value, size))
QIO_WRAP(int, getsockname, (int fd, sockaddr* address, socklen_t* size),
         (fd, address, size))
QIO_WRAP(int, getpeername, (int fd, sockaddr* address, socklen_t* size),
         (fd, address, size))
QIO_WRAP(int, fstat, (int fd, struct stat* status), (fd, status))
QIO_WRAP(int, lstat, (const char* path, struct stat* status), (path, status))
QIO_WRAP(int, unlink, (const char* path), (path))

void* __real_mmap(void* at, std::size_t size, int protection, int flags, int fd,
                  off_t offset);
void* __wrap_mmap(void* at, std::size_t size, int protection, int flags, int fd,
                  off_t offset) {
  if (Fails("mmap")) return reinterpret_cast<void*>(-1);
  return __real_mmap(at, size, protection, flags, fd, offset);
}

ssize_t __real_write(int fd, const void* data, std::size_t size);
ssize_t __wrap_write(int fd, const void* data, std::size_t size) {
  const int error = FaultOf("write");
  if (error == 0) return __real_write(fd, data, size);
  if (error == EAGAIN) (void)!__real_write(fd, data, size);
  errno = error;
  return -1;
}

int __real_connect(int fd, const sockaddr* address, socklen_t size);
int __wrap_connect(int fd, const sockaddr* address, socklen_t size) {
  const int error = FaultOf("connect");
  if (error == 0) return __real_connect(fd, address, size);
  if (error == EINTR) __real_connect(fd, address, size);
  errno = error;
  return -1;
}

int __real_close(int fd);
int __wrap_close(int fd) {
  const int result = __real_close(fd);
  return Fails("close") ? -1 : result;
}

// Those of one argument, an int or nothing, which is all that qio uses.
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const int argument = va_arg(arguments, int);
  va_end(arguments);
  return Fails("fcntl") ? -1 : __real_fcntl(fd, command, argument);
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return Fails("ioctl") ? -1 : __real_ioctl(fd, request, argument);
}

// It returns its error.
int __real_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*main)(void*), void* argument);
int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*main)(void*), void* argument) {
  if (const int error = FaultOf("pthread_create")) return error;
  return __real_pthread_create(thread, attributes, main, argument);
}

// futex(2) has no function of its own. Waking fails only for a word that is
// none, and so does not here.
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
  long a[6];
  va_list arguments;
  va_start(arguments, number);
  for (long& argument : a) argument = va_arg(arguments, long);
  va_end(arguments);
  const bool waits =
      number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT;
  if (waits && Fails("futex")) return -1;
  return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // extern "C"
// NOLINTEND
