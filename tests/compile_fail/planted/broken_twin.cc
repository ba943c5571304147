// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

// EXPECT: planted: never reached

void Caller() {
  UndeclaredInBoth();
#ifdef QIO_COMPILE_FAIL
  UndeclaredInMisuse();
#endif
}
