// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-25: two owners of one descriptor.
// EXPECT: qio: a descriptor has one owner; move it

#include <utility>

#include "qio/owned_fd.h"

int main() {
  qio::OwnedFd first;
#ifdef QIO_COMPILE_FAIL
  qio::OwnedFd second = first;
#else
  qio::OwnedFd second = std::move(first);
#endif
}
