// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/held_asleep.h
//
// HeldAsleep is a gate at a loop's wait, for any loop: it waits until the
// loop's thread sleeps in the kernel and then holds it there, in a signal
// handler, so that a test can do things while the loop certainly sleeps. What
// the loop sees afterwards is a wait that was interrupted (EINTR).

#ifndef QIO_TESTS_SUPPORT_HELD_ASLEEP_H_
#define QIO_TESTS_SUPPORT_HELD_ASLEEP_H_

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "qio/support/proc.h"

namespace qio::support {

// Returns when `thread` sleeps in a call that waits for descriptors. A loop
// that never does hangs here, and a Watchdog says so.
inline void WaitUntilAsleep(pid_t thread) {
  while (!SleepsInItsWait(thread)) std::this_thread::yield();
}

// One at a time, and not on the loop's own thread.
class HeldAsleep {
 public:
  // The loop of `thread` must have no reason to wake up by itself.
  explicit HeldAsleep(pid_t thread) {
    State().store(kComing);
    struct sigaction action = {};
    action.sa_handler = [](int) {
      const int saved_errno = errno;
      State().store(kHeld);
      // Nothing but system calls and lock-free atomics is allowed here.
      while (State().load() == kHeld) ::usleep(100);
      State().store(kGone);
      errno = saved_errno;
    };
    ::sigaction(SIGURG, &action, &before_);
    WaitUntilAsleep(thread);
    ::syscall(SYS_tgkill, ::getpid(), thread, SIGURG);
    while (State().load() != kHeld) std::this_thread::yield();
  }
  HeldAsleep(const HeldAsleep&) = delete;
  HeldAsleep& operator=(const HeldAsleep&) = delete;
  ~HeldAsleep() {
    State().store(kReleased);
    while (State().load() != kGone) std::this_thread::yield();
    ::sigaction(SIGURG, &before_, nullptr);
  }

 private:
  enum : int { kComing, kHeld, kReleased, kGone };

  static std::atomic<int>& State() {
    static constinit std::atomic<int> state{kGone};
    return state;
  }

  struct sigaction before_ = {};
};

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_HELD_ASLEEP_H_
