// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/in_child.h
//
// RunInChild() calls a function in a forked process and tells how that ended:
// for what must end the program. Call it while no other thread runs that holds
// a lock the function needs. A function that hangs is ended after a minute.

#ifndef QIO_TESTS_SUPPORT_IN_CHILD_H_
#define QIO_TESTS_SUPPORT_IN_CHILD_H_

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace qio::support {

struct ChildEnd {
  int signal = 0;      // That ended it, or 0;
  int code = 0;        // else its exit code, 0 if the function returned.
  std::string errors;  // What it wrote to standard error.
};

template <class F>
ChildEnd RunInChild(F f) {
  ChildEnd end;
  int errors[2];
  if (::pipe(errors) != 0) return {0, 127, "no pipe"};
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::signal(SIGABRT, SIG_DFL);
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(60);
    ::dup2(errors[1], STDERR_FILENO);
    ::close(errors[0]);
    ::close(errors[1]);
    f();
    ::_exit(0);
  }
  ::close(errors[1]);
  char buffer[4096];
  for (ssize_t size; (size = ::read(errors[0], buffer, sizeof buffer)) > 0;) {
    end.errors.append(buffer, static_cast<std::size_t>(size));
  }
  ::close(errors[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    end.signal = WTERMSIG(status);
  } else {
    end.code = WEXITSTATUS(status);
  }
  return end;
}

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_IN_CHILD_H_
