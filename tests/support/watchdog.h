// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/watchdog.h
//
// Watchdog ends the process, saying what hangs, if it lives longer than it
// should. It can only fail a test: nobody waits for it.

#ifndef QIO_TESTS_SUPPORT_WATCHDOG_H_
#define QIO_TESTS_SUPPORT_WATCHDOG_H_

#include <signal.h>
#include <unistd.h>

#include <string>

namespace qio::support {

// One at a time.
class Watchdog {
 public:
  // `what` is told in "<what> hangs".
  Watchdog(const std::string& what, unsigned seconds_max) {
    text() = "FAILED: " + what + " hangs: no end after " +
             std::to_string(seconds_max) + " s\n";
    struct sigaction action = {};
    action.sa_handler = [](int) {
      const std::string& line = text();
      if (::write(STDERR_FILENO, line.data(), line.size()) < 0) ::_exit(4);
      ::_exit(3);
    };
    ::sigaction(SIGALRM, &action, &before_);
    ::alarm(seconds_max);
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() {
    ::alarm(0);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  static std::string& text() {
    static std::string text;
    return text;
  }

  struct sigaction before_ = {};
};

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_WATCHDOG_H_
