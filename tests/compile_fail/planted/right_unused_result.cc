// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

// EXPECT: look at the answer

[[nodiscard("look at the answer")]] int Answer();

inline void Caller() {
#ifdef QIO_COMPILE_FAIL
  Answer();
#else
  (void)Answer();
#endif
}
