// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/socket_faults.h
//
// Makes socket calls of this program short, fail, and be counted. Linking this
// library puts its functions before the C library's.

#ifndef QIO_TESTS_SUPPORT_SOCKET_FAULTS_H_
#define QIO_TESTS_SUPPORT_SOCKET_FAULTS_H_

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace qio::support {

// While it lives, calls from this thread do as it says. One at a time.
class SocketFaults {
 public:
  SocketFaults();
  SocketFaults(const SocketFaults&) = delete;
  SocketFaults& operator=(const SocketFaults&) = delete;
  ~SocketFaults();

  // A call by its name ("accept4") fails with these errors, one after the
  // other, before it works again; 0 lets one through.
  std::map<std::string, std::deque<int>> errors;

  // recv() and send() without MSG_PEEK transfer this much at most; 0: any.
  std::size_t transfer_max = 0;

  // Only for this descriptor, if it is not negative.
  int only_fd = -1;

  // close() reports this after it has closed, if it is not 0.
  int error_after_close = 0;

  // How often each was called, and what was closed.
  std::map<std::string, int> calls;
  std::vector<int> closed;
  // How often send() was called without MSG_NOSIGNAL.
  int sends_with_signal = 0;

  // For sockets that are not the kernel's: what a call by that name is to do.
  // Returns the errno that it fails with, or 0.
  static int ErrorOf(const char* call);
  static std::size_t Shortened(std::size_t size);
};

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_SOCKET_FAULTS_H_
