// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/pipe.h
//
// A non-blocking pipe, whose reading end a test makes ready at will.

#ifndef QIO_TESTS_SUPPORT_PIPE_H_
#define QIO_TESTS_SUPPORT_PIPE_H_

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "qio/owned_fd.h"

namespace qio::support {

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
      throw std::runtime_error("pipe2: errno " + std::to_string(errno));
    }
    reader = OwnedFd(ends[0]);
    writer = OwnedFd(ends[1]);
  }

  void Write(const std::string& text = "x") const {
    if (::write(writer.get(), text.data(), text.size()) !=
        static_cast<ssize_t>(text.size())) {
      throw std::runtime_error("write: errno " + std::to_string(errno));
    }
  }

  // Reads `size_max` bytes at most; returns how many, -1 with errno EAGAIN if
  // there are none now.
  ssize_t Read(std::size_t size_max) const {
    std::string buffer(size_max, '\0');
    return ::read(reader.get(), buffer.data(), size_max);
  }

  // Reads until there is nothing more.
  void ReadDry() const {
    while (Read(4096) > 0) {
    }
  }

  OwnedFd reader;
  OwnedFd writer;
};

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_PIPE_H_
