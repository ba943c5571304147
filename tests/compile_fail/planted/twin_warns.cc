// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

// EXPECT: planted: never reached

inline void Caller() {
  int unused;
#ifdef QIO_COMPILE_FAIL
  static_assert(sizeof(int) == 1, "planted: never reached");
#endif
}
