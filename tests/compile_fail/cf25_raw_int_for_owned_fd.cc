// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-25: a raw int where an owned descriptor is needed.
// EXPECT: qio: an int owns no fd; use OwnedFd(fd)

#include "qio/owned_fd.h"

static void Serve(qio::OwnedFd) {}

int main() {
  int fd = -1;
#ifdef QIO_COMPILE_FAIL
  Serve(fd);
#else
  Serve(qio::OwnedFd(fd));
#endif
}
