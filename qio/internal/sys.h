// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/sys.h
//
// The system calls that the core makes, each once and with nothing around it:
// one place to read what qio asks of the kernel, and one symbol each for a test
// to replace at link time (--wrap) and make fail.
//
// All return what the call returns: -1 with errno set on failure.

#ifndef QIO_INTERNAL_SYS_H_
#define QIO_INTERNAL_SYS_H_

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>

#include "qio/config.h"

namespace qio::inline QIO_ABI {
namespace internal_sys {

inline int EpollCreate() noexcept { return ::epoll_create1(EPOLL_CLOEXEC); }

inline int EpollCtl(int epoll, int operation, int fd,
                    epoll_event* event) noexcept {
  return ::epoll_ctl(epoll, operation, fd, event);
}

inline int EpollWait(int epoll, epoll_event* events, int events_max,
                     int timeout_ms) noexcept {
  return ::epoll_wait(epoll, events, events_max, timeout_ms);
}

inline int EventFd() noexcept {
  return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

inline int TimerFd() noexcept {
  return ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

// Absolute monotonic time; 0 disarms.
inline int TimerFdSet(int fd, std::int64_t deadline_ns) noexcept {
  itimerspec spec{};
  spec.it_value.tv_sec = static_cast<time_t>(deadline_ns / 1'000'000'000);
  spec.it_value.tv_nsec = static_cast<long>(deadline_ns % 1'000'000'000);
  return ::timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, nullptr);
}

inline ssize_t Write(int fd, const void* data, std::size_t size) noexcept {
  return ::write(fd, data, size);
}

inline ssize_t Read(int fd, void* data, std::size_t size) noexcept {
  return ::read(fd, data, size);
}

inline int Poll(pollfd* fds, nfds_t count, int timeout_ms) noexcept {
  return ::poll(fds, count, timeout_ms);
}

// Bytes that can be read now (ioctl_fionread(2const)); 0 if nobody can say.
inline int BytesReadable(int fd) noexcept {
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

inline std::int64_t MonotonicNs() noexcept {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline int CurrentCpu() noexcept { return ::sched_getcpu(); }

inline void Yield() noexcept { ::sched_yield(); }

// The kernel's number of this thread.
inline std::int64_t ThreadId() noexcept { return ::gettid(); }

// Sleeps while `word` holds `expected`, or until woken; may return for nothing.
inline void FutexWait(std::atomic<std::uint32_t>& word,
                      std::uint32_t expected) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr,
            0);
}

inline void FutexWakeOne(std::atomic<std::uint32_t>& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// A few bytes of zeros, at least, which a forked child finds as zeros again
// whatever was written there (madvise(2), MADV_WIPEONFORK). Null if there is no
// memory, or the kernel cannot.
inline constexpr std::size_t kWipedOnForkSize = 64;
inline void* MapWipedOnFork() noexcept {
  void* const page = ::mmap(nullptr, kWipedOnForkSize, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (::madvise(page, kWipedOnForkSize, MADV_WIPEONFORK) == 0) return page;
  ::munmap(page, kWipedOnForkSize);
  return nullptr;
}
inline void Unmap(void* page) noexcept { ::munmap(page, kWipedOnForkSize); }

// Tells the processor that this is a spin loop.
inline void Pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace internal_sys
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_SYS_H_
