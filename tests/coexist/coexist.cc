// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// RS-07: both kinds of qio in one program.

#include <cstdio>
#include <cstdlib>

#include "qio/coexist/loop_user.h"

int main() {
  if (!UseCheckedLoop() || !UseUncheckedLoop() || !UseCheckedLoop()) {
    std::puts("FAILED");
    return EXIT_FAILURE;
  }
  std::puts("both kinds have worked");
  return EXIT_SUCCESS;
}
