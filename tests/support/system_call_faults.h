// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/system_call_faults.h
//
// SystemCallFaults makes one system call fail, in whatever thread: the k-th
// one of its name, and as many after it as it is told. Linking this library
// wraps each call of the program's own object files (ld --wrap), so of qio's
// headers and of the test, and none of a shared library's.

#ifndef QIO_TESTS_SUPPORT_SYSTEM_CALL_FAULTS_H_
#define QIO_TESTS_SUPPORT_SYSTEM_CALL_FAULTS_H_

#include <string_view>

namespace qio::support {

// One at a time.
class SystemCallFaults {
 public:
  static constexpr int kForEver = 1 << 30;

  // The calls of `call` ("epoll_ctl") fail with `error` from the `kth` on (0:
  // the first), `times` in all. Some do their work all the same, as the kernel
  // does: close() closes, an interrupted connect() goes on, and write() to an
  // eventfd that reports EAGAIN has left it readable.
  SystemCallFaults(std::string_view call, int kth, int error, int times);
  SystemCallFaults(const SystemCallFaults&) = delete;
  SystemCallFaults& operator=(const SystemCallFaults&) = delete;
  ~SystemCallFaults();

  // How often it was called.
  int calls() const;
};

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_SYSTEM_CALL_FAULTS_H_
