// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// RS-08: a plain program that was compiled without exceptions runs.

#include <cstdio>
#include <cstdlib>

#include "qio/coexist/loop_user.h"

#if defined(__cpp_exceptions)
#error "This is to be compiled with -fno-exceptions."
#endif

int main() {
  if (!UseUncheckedLoop()) {
    std::puts("FAILED");
    return EXIT_FAILURE;
  }
  std::puts("it works without exceptions");
  return EXIT_SUCCESS;
}
